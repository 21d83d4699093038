from django.db import migrations

from marketplace.core.sql import append_only


def same_money(side: str) -> migrations.RunSQL:
    """Hold the account on one side of a transfer to the transfer's currency and mode, at once and not at commit."""
    return migrations.RunSQL(
        f"ALTER TABLE payments_transfer ADD CONSTRAINT transfer_{side}_same_money "
        f"FOREIGN KEY ({side}_id, currency, mode) REFERENCES payments_account (id, currency, mode);",
        f"ALTER TABLE payments_transfer DROP CONSTRAINT transfer_{side}_same_money;",
    )


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]
    operations = [
        append_only("payments_entry"),
        append_only("payments_transfer"),
        same_money("debit"),
        same_money("credit"),
        # Totals are in no index; with room on the page their update touches none (HOT).
        migrations.RunSQL(
            "ALTER TABLE payments_account SET (fillfactor = 70);", "ALTER TABLE payments_account RESET (fillfactor);"
        ),
    ]
