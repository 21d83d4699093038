"""`manage.py simulate`: what labels cost and how right they are, by when we stop asking."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError

from marketplace.core import money
from marketplace.core.errors import Invalid
from tasks import simulation
from tasks.aggregation.buying import Policy
from tasks.demo import recorded
from tasks.simulation import Crowd, Trial
from tasks.web import curves

DRAWN = 1_000  # tasks
BUDGETS = (0.25, 0.5, 0.75)  # of what all answers cost
KINDS = FIXED, CERTAIN, BUDGET = "the same number each", "until it is certain", "within a budget"
HELP = """\
What would more answers buy? Takes a crowd whose answers are all there, asks it again in another order, stops asking
as each policy says, and prints what that costs and how many labels are right. Nothing is written to the database.

Three kinds of policy are compared:
  3 each         every task gets 3 answers                                   (--fixed)
  until 0.95     a task gets 2 answers, and more until its label is 95 %
                 certain or no answer is left                                (--until)
  budget 20.00   a task gets 2 answers, and more while the money lasts       (--budget)
"""
EXAMPLES = """\
examples:
  manage.py simulate                                        a crowd that is drawn
  manage.py simulate --answers answers.csv --truth truth.csv --price 0.03 --picture curve.svg
  manage.py simulate --answers answers.csv --until 0.95 0.99 --budget 50 100

The columns of the table: answers bought of a task, on average; their share of all there are; what they cost; how many
labels are right; and how many answers of every task would be as right.
"""


class Command(BaseCommand):
    help = HELP

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs |= {"formatter_class": RawDescriptionHelpFormatter, "epilog": EXAMPLES}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        crowd = parser.add_argument_group("the crowd")
        crowd.add_argument(
            "--answers",
            type=Path,
            metavar="CSV",
            help="recorded answers: columns task, worker, label; else drawn",
        )
        crowd.add_argument(
            "--truth", type=Path, metavar="CSV",
            help="what is right: columns task, label; it may lack tasks. Without it, what all answers together say",
        )  # fmt: skip
        crowd.add_argument("--tasks", type=int, default=DRAWN, metavar="N", help=f"of a drawn crowd ({DRAWN:,})")
        tried = parser.add_argument_group("what is tried")
        tried.add_argument(
            "--fixed", type=int, nargs="*", default=[1, 2, 3, 5, 7, 9], metavar="N",
            help="answers of every task (1 2 3 5 7 9)",
        )  # fmt: skip
        tried.add_argument(
            "--until", type=float, nargs="*", default=[0.9, 0.95, 0.98, 0.99, 0.999], metavar="SHARE",
            help="how certain a label must be to need no further answer (0.9 0.95 0.98 0.99 0.999)",
        )  # fmt: skip
        tried.add_argument(
            "--budget", nargs="*", metavar="AMOUNT",
            help="money to spend on all tasks together (a quarter, a half and three quarters of what all answers cost)",
        )  # fmt: skip
        tried.add_argument(
            "--experts", action="store_true",
            help="where a label is unsure, ask those who are good at its two likeliest classes first",
        )  # fmt: skip
        tried.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of each, the mean counts (5)")
        tried.add_argument("--price", default="0.05", metavar="AMOUNT", help="of an answer, with the fee (0.05)")
        tried.add_argument("--currency", default="USD", choices=sorted(money.DECIMALS), metavar="CODE", help="(USD)")
        tried.add_argument("--picture", type=Path, metavar="SVG", help="where to draw cost against accuracy")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        price_micros = _micros(options["price"])
        crowd = self._crowd(options)
        seeds, currency = range(options["seeds"]), options["currency"]
        has_truth = not options["answers"] or options["truth"]
        right = "the truth" if has_truth else "all answers together"
        self.stdout.write(f"{len(crowd.task):,} answers to {crowd.n_tasks:,} tasks, {len(seeds)} runs of each policy")
        self.stdout.write(f"right: labels that are what {right} says")
        self.stdout.write(f"{'policy':16} {'answers/task':>12} {'of all':>7} {'cost':>14} {'right':>7}  as right as")
        trials: list[Trial] = []
        for policy in _policies(crowd, price_micros, options):
            trials.append(simulation.trial(crowd, policy, seeds))
            self.stdout.write(_line(trials, crowd, price_micros, currency))
        if options["picture"]:
            options["picture"].write_text(drawn(trials), encoding="utf-8")

    def _crowd(self, options: dict[str, Any]) -> Crowd:
        if not options["answers"]:
            return simulation.drawn(options["tasks"], seed=1)
        try:
            return simulation.recorded(recorded.read(options["answers"], options["truth"]))
        except recorded.Unreadable as error:
            raise CommandError(str(error)) from None


def _check(options: dict[str, Any]) -> None:
    if min(options["tasks"], options["seeds"]) < 1:
        raise CommandError("--tasks and --seeds are 1 or more")
    if min(options["fixed"], default=1) < 1:
        raise CommandError("--fixed is one answer at least")
    if not all(0.0 < target < 1.0 for target in options["until"]):
        raise CommandError("--until lies between 0 and 1")
    if options["truth"] and not options["answers"]:
        raise CommandError("--truth is of recorded answers: it needs --answers")


def _micros(text: str) -> int:
    try:
        found = money.parse(text)
    except Invalid as error:
        raise CommandError(str(error.detail)) from None
    if found <= 0:
        raise CommandError(f"{text} is not more than nothing")
    return found


def _policies(crowd: Crowd, price_micros: int, options: dict[str, Any]) -> list[Policy]:
    """What is tried: first the fixed numbers, which the others are held against."""
    deepest = max(int(np.bincount(crowd.task).max()), *options["fixed"], 2)
    if options["budget"] is None:
        budgets = {int(len(crowd.task) * share) for share in BUDGETS}
    else:
        budgets = {_micros(text) // price_micros for text in options["budget"]}
    fixed = [Policy(count, count) for count in sorted(set(options["fixed"]))]
    experts = options["experts"]
    until = [Policy(2, deepest, target, experts=experts) for target in sorted(set(options["until"]))]
    return [*fixed, *until, *(within(budget, deepest, experts=experts) for budget in sorted(budgets))]


def within(budget: int, deepest: int, *, experts: bool = False) -> Policy:
    """So many answers in all, where they are worth most."""
    return Policy(2, deepest, budget=budget, by_gain=True, experts=experts)


def _line(trials: list[Trial], crowd: Crowd, price_micros: int, currency: str) -> str:
    """One row of the table, of the last trial; those before it say what a fixed number would have come to."""
    one = trials[-1]
    cost = money.show(round(one.answers * crowd.n_tasks * price_micros), currency)
    name = _name(one.policy, price_micros, currency)
    facts = f"{name:16} {one.answers:12.2f} {one.share:7.1%} {cost:>14} {one.right:7.2%}"
    fixed = [(each.answers, each.right) for each in trials if _kind(each.policy) == FIXED]
    if _kind(one.policy) == FIXED or not fixed:
        return facts
    number = simulation.as_fixed(fixed, one.right)
    return f"{facts}  " + (f"{number:.1f} each" if number is not None else f"more than {max(fixed)[0]:.0f} each")


def _kind(policy: Policy) -> str:
    if policy.budget is not None:
        return BUDGET
    return FIXED if policy.target is None else CERTAIN


def _name(policy: Policy, price_micros: int, currency: str) -> str:
    if policy.budget is not None:
        return f"budget {money.show(policy.budget * price_micros, currency)}"
    return f"{policy.most} each" if policy.target is None else f"until {policy.target:g}"


def drawn(trials: Sequence[Trial]) -> str:
    """The picture: a curve for each kind of policy."""
    named = {kind: [(one.answers, one.right) for one in trials if _kind(one.policy) == kind] for kind in KINDS}
    return curves.draw(
        "How many labels are right, by how many answers are bought of each task",
        "answers bought of a task, on average",
        {kind: points for kind, points in named.items() if points},
    )
