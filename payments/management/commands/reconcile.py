"""`manage.py reconcile`: do our books and the provider's say the same?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.core import money
from marketplace.models import Mode
from payments import gateway, reconciliation


class Command(BaseCommand):
    help = "Compare the ledger with the provider's balance; exits with 1 and the list where they differ unexplained."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="Read everything again, not only what is new.")

    def handle(self, *args: Any, **options: Any) -> None:
        mode, more = gateway.current().mode, True
        while reconciliation.is_running(mode):  # one that was cut short
            reconciliation.step()
        full = options["full"]
        while more:
            more, full = reconciliation.step(full=full), False
        found = reconciliation.summary(mode)
        self.stdout.write(_told(found))
        if found.differences:
            raise CommandError(
                "\n".join(f"{row.get_kind_display()}: {row.subject}: {row.text}" for row in found.differences)
            )
        self.stdout.write("ok: nothing differs")


def _told(found: reconciliation.Summary) -> str:
    """What was read."""
    if found.mode == Mode.SANDBOX:
        return f"play money has no provider; {found.compared:,} rows that moved some were compared with their own ids"
    read = f"{found.since:%Y-%m-%d} to {found.until:%Y-%m-%d %H:%M} UTC, {found.mode} money"
    figures = [f"{read}: {found.movements:,} movements, {found.compared:,} rows of ours compared"]
    figures += [f"fees of the provider: {money.show(micros, name)}" for name, micros in found.fees_micros.items()]
    figures += [f"taken out: {money.show(micros, name)}" for name, micros in found.taken_out_micros.items()]
    figures += [f"put in: {money.show(micros, name)}" for name, micros in found.put_in_micros.items()]
    return "\n".join(figures)
