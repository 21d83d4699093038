from django.db import migrations

from marketplace.core.sql import counted


class Migration(migrations.Migration):
    dependencies = [("tasks", "0003_circular_cursor")]
    operations = counted("tasks_assignment", "submitted", "returned", "expired")
