"""`manage.py demo`: a whole job done by a simulated crowd, over HTTP, on a real site."""

import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

import httpx
from django.core.management.base import CommandError

from marketplace.core.children import Children
from tasks.demo import cast, digits, summary
from tasks.demo.crowd import Kind
from tasks.demo.fixed import Comparison
from tasks.demo.labelling import HONEST, Labelling
from tasks.demo.show import Show
from tasks.demo.summary import Labels

FEWEST_PEOPLE, FEWEST_ITEMS = 10, 10


class Command(Show):
    help = "Have a simulated crowd label handwritten digits on this site, over HTTP; run again, it goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--seed", type=int, default=1, help="draws the crowd, its answers and the gold")
        parser.add_argument("--items", type=int, default=digits.ALL, help=f"pictures to label, at most {digits.ALL}")
        parser.add_argument("--people", type=int, default=40, help=f"in the crowd, at least {FEWEST_PEOPLE}")

    def handle(self, *args: Any, **options: Any) -> None:
        sizes = FEWEST_ITEMS <= options["items"] <= digits.ALL and options["people"] >= FEWEST_PEOPLE
        if not sizes or options["seed"] < 0:
            raise CommandError(f"--items {FEWEST_ITEMS} to {digits.ALL}, --people {FEWEST_PEOPLE} or more, --seed 0 up")
        super().handle(*args, **options)

    def job(self, connections: httpx.Client, running: Children, options: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        seed, items, people = options["seed"], options["items"], options["people"]
        self.stdout.write(f"{items:,} pictures, {people} people, seed {seed}")
        work = Labelling(connections, seed, items, people, running.check)
        if not work.is_closed:
            contested = work.dispute()
            self.stdout.write(f"a rejected answer of Wes was contested: {contested or 'too late, all are accepted'}")
            work.work()
            self.stdout.write("every task is closed; the last answers are accepted and paid")
        payouts = work.settle()
        labels, stopped = work.labels(), work.stopped()
        beside = work.beside_fixed(labels)
        self.tell(work, labels, stopped, beside)
        money_lines, ledger_sum_micros = summary.money_table()
        self.stdout.write("\n".join(["", *money_lines]))
        found = summary.facts(labels, work.batch["id"])
        if not options["exit"]:
            work.leave_some()
        return {
            **found, "ledger_sum_micros": ledger_sum_micros, "seed": seed, "workers": people,
            "spammers_stopped_before_paid_work": stopped["exam"].count(Kind.SPAMMING),
            "spammers": list(work.kind_of.values()).count(Kind.SPAMMING),
            "stopped_by_rule": len(stopped["rule"]),
            "honest_stopped": sum(kind in HONEST for kinds in stopped.values() for kind in kinds),
            "bought": beside.bought, "right_without_gold": round(beside.right, 4),
            "fixed_redundancy_needed": beside.needed,
            "payouts": payouts, "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip

    def tell(self, work: Labelling, labels: Labels, stopped: dict[str, list[Kind]], beside: Comparison) -> None:
        """What was bought, how good it is, and how well the workers are known."""
        each = labels.answers / labels.tasks
        self.stdout.write(f"\nbought: {labels.answers:,} answers to {labels.tasks:,} tasks, {each:.2f} each")
        shares = f"{labels.consensus_accuracy:.2%} by consensus, {labels.majority_accuracy:.2%} by majority"
        self.stdout.write(f"right:  {shares}")
        self.stdout.write(f"{beside.words()}\n")
        for by, kinds in stopped.items():
            names = ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).items())
            when = "before any paid answer" if by == "exam" else "while they worked"
            self.stdout.write(f"stopped by the {by}, {when}: {names or 'nobody'}")
        honest = sum(kind in HONEST for kinds in stopped.values() for kind in kinds)
        self.stdout.write(f"honest people stopped: {honest} of {sum(k in HONEST for k in work.kind_of.values())}")
        self.stdout.write("\n".join(["", *work.worker_table(labels)]))

    def visit(self, url: str) -> None:
        self.stdout.write(f"\nThe site stays at {url}/ until Ctrl-C. All money is play money. Sign in as")
        for name, email, password in cast.sign_ins():
            self.stdout.write(f"  {name:28} {email:22} {password}")
