"""Whether what guards the money is still in the database, and switched on."""

from collections.abc import Iterable, Iterator

from django.apps import apps
from django.db import connection, models

TRIGGERS = {  # what refuses changes to rows -> their table
    **{
        f"{table}_append_only": table
        for table in (
            *("payments_entry", "payments_transfer", "payments_sealedcheckpoint", "payments_sealedtotal"),
            *("payments_invoice", "payments_invoiceline", "payments_invoicetax"),
            "marketplace_auditevent",
        )
    },
    "payments_entry_month_open": "payments_entry",
    "payments_billedto_scrubbed": "payments_billedto",
}
KEYS = {  # written in migrations, for models cannot say them
    "transfer_debit_same_money": "payments_transfer",
    "transfer_credit_same_money": "payments_transfer",
}
FIND_TRIGGERS = """
SELECT tgrelid::regclass::text, tgname::text, tgenabled IN ('O', 'A'), tgisinternal FROM pg_trigger
WHERE tgrelid::regclass::text = ANY(%s)
"""
FIND_CONSTRAINTS = """
SELECT conname::text FROM pg_constraint WHERE convalidated
UNION SELECT index.relname::text FROM pg_index JOIN pg_class index ON index.oid = indexrelid
      WHERE indisunique AND indisvalid AND indisready
"""


def broken() -> list[str]:
    """A sentence for each guard that is missing or switched off."""
    own = [model._meta.db_table for model in apps.get_app_config("payments").get_models()]
    return [*_replica(), *triggers_off(TRIGGERS, own), *_constraints()]


def triggers_off(expected: dict[str, str], also_in: Iterable[str] = ()) -> Iterator[str]:
    """A sentence for each of these triggers that is missing, and any that is disabled in its table or in these."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_TRIGGERS, [[*expected.values(), *also_in]])
        rows = cursor.fetchall()
    there = {(table, name) for table, name, _, _ in rows}
    for name, table in expected.items():
        if (table, name) not in there:
            yield f"the trigger {name} is missing: nothing keeps the rows of {table} as it did"
    for table, name, is_on, is_internal in sorted(rows):
        if not is_on:
            what = "that keeps a foreign key" if is_internal else "of its guard"
            yield f"the trigger {name} of {table}, {what}, is disabled"


def _replica() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('session_replication_role')")
        if cursor.fetchone()[0] == "replica":
            yield "triggers are switched off for this connection (session_replication_role = replica)"


def _constraints() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(FIND_CONSTRAINTS)
        there = {name for (name,) in cursor.fetchall()}
    expected = dict(KEYS)
    for model in apps.get_app_config("payments").get_models():
        for constraint in model._meta.constraints:
            if isinstance(constraint, models.CheckConstraint | models.UniqueConstraint):
                expected[constraint.name] = model._meta.db_table
    for name in sorted(expected.keys() - there):
        yield f"the constraint {name} of {expected[name]} is missing"
