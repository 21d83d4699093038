"""`manage.py audit`: does every promise hold in this database?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from tasks import audit


class Command(BaseCommand):
    help = "Check seats, answers and money against each other; exits with 1 when a promise is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="Read all transfers, those that are sealed, too.")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():  # one snapshot for all checks
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            problems = audit.check(options["full"])
        if problems:
            raise CommandError("\n".join(problems))
        self.stdout.write("ok: every promise holds")
