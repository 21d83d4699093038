"""Migration operations for what Django's models cannot say."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
"""

COUNT_MOVE = """
CREATE OR REPLACE FUNCTION count_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval((TG_TABLE_NAME || '_' || NEW.state)::regclass);
    RETURN NULL;
END $$;
"""


def append_only(table: str) -> migrations.RunSQL:
    """Let rows of `table` be inserted and read, never changed or deleted."""
    return migrations.RunSQL(
        f"{FUNCTION} CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change();",
        f"DROP TRIGGER {table}_append_only ON {table};",
    )


def counted(table: str, *states: str) -> list[migrations.RunSQL]:
    """Count the moves of rows into each of these states in a sequence, `<table>_<state>`.

    A sequence is read without a scan and grows without a lock; it also counts a move whose transaction is undone.
    """
    sequences = [
        migrations.RunSQL(f"CREATE SEQUENCE {table}_{state}", f"DROP SEQUENCE {table}_{state}") for state in states
    ]
    listed = ", ".join(f"'{state}'" for state in states)
    trigger = migrations.RunSQL(
        f"{COUNT_MOVE} CREATE TRIGGER {table}_counted AFTER UPDATE OF state ON {table} FOR EACH ROW "
        f"WHEN (OLD.state <> NEW.state AND NEW.state IN ({listed})) EXECUTE FUNCTION count_move();",
        f"DROP TRIGGER {table}_counted ON {table};",
    )
    return [*sequences, trigger]
