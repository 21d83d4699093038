from django.db import migrations

from marketplace.core.sql import append_only


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]
    operations = [
        append_only("tasks_evidence"),
        append_only("tasks_evidencevoid"),
        append_only("tasks_consensuschange"),
        # room on the page for the updates every row will see, so that they stay HOT
        migrations.RunSQL("ALTER TABLE tasks_task SET (fillfactor = 70)", migrations.RunSQL.noop),
        migrations.RunSQL("ALTER TABLE tasks_answer SET (fillfactor = 80)", migrations.RunSQL.noop),
        migrations.RunSQL("ALTER TABLE tasks_cursor SET (fillfactor = 50)", migrations.RunSQL.noop),
    ]
