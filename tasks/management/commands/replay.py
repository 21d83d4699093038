"""`manage.py replay`: a recorded crowd does its work again, over HTTP, on a real site."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx
from django.core.management.base import CommandError

from marketplace.core.children import Children
from tasks.demo import cast, recorded, summary
from tasks.demo.replaying import Replaying
from tasks.demo.show import Show


class Command(Show):
    help = "Replay recorded answers as so many workers on this site, over HTTP; run again, it goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--answers", type=Path, required=True, help="CSV with the columns task, worker, label")
        parser.add_argument("--truth", type=Path, required=True, help="CSV with the columns task, label")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.record = recorded.read(options["answers"], options["truth"])
        except recorded.Unreadable as error:
            raise CommandError(str(error)) from None
        super().handle(*args, **options)

    def job(self, connections: httpx.Client, running: Children, options: dict[str, Any]) -> dict[str, Any]:
        began, record = time.monotonic(), self.record
        sizes = f"{record.count:,} answers of {len(record.answers):,} workers to {len(record.tasks):,} tasks"
        self.stdout.write(f"{sizes}; {record.repeated:,} repeated ones left out")
        work = Replaying(connections, record, running.check)
        work.work()
        work.close()
        labels = work.labels()
        shares = f"{labels.consensus_accuracy:.2%} by consensus, {labels.majority_accuracy:.2%} by majority"
        self.stdout.write(f"\nright of {labels.with_truth:,} tasks with truth: {shares}\n")
        money_lines, ledger_sum_micros = summary.money_table()
        self.stdout.write("\n".join(money_lines))
        return {
            **summary.facts(labels, work.batch["id"]), "ledger_sum_micros": ledger_sum_micros,
            "with_truth": labels.with_truth, "repeated": record.repeated, "workers": len(record.answers),
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip

    def visit(self, url: str) -> None:
        name, email, password = cast.sign_ins()[0]
        self.stdout.write(f"\nThe site stays at {url}/ until Ctrl-C. All money is play money. Sign in as")
        self.stdout.write(f"  {name:28} {email:22} {password}")
