"""What work will cost: at most, which is set aside, and probably, which is a guess and says so.

How many answers a task will want is guessed from two things. First from its terms: people who are right ACCURACY of the
time answer one by one a question with two sides, and no more are asked once the posterior is sure enough
(`answers_wanted`, exact). Then from what earlier batches of the project with the same redundancy and confidence wanted;
the guess from the terms weighs as much as PRIOR_TASKS tasks beside it.
"""

import math
from dataclasses import dataclass, field
from itertools import islice

from django.conf import settings
from django.db.models import QuerySet

from marketplace.core import money
from marketplace.labels import schema as label_schema
from marketplace.models import Dataset, Item, Project, RedundancyBy
from payments import reserves
from payments.models import Account
from tasks import fair_pay, pilots, pools, tallies, training
from tasks.errors import NotPublishable
from tasks.models import Batch, Tally
from workers import tiers

PROBLEMS_SHOWN = 20
ACCURACY = 0.85
PRIOR_TASKS = 100
EARLIER_MOST = 20  # batches that are looked at
LEAST_SUPPORT = 2  # one answer alone is never sure enough, as in consensus


@dataclass(frozen=True)
class Quote:
    """What publishing would buy and set aside, and what stands in its way."""

    items: int
    gold: int
    practice_gold: int
    exam_gold: int
    pilot: int  # items of a pilot; 0: it is none
    answers_least: int  # that every item gets together
    answers_most: int  # that are bought at most: by a budget what it pays
    gold_answers_most: int
    budget: "BudgetBounds | None"  # where a budget decides how many
    lines: dict[str, int]
    expected: dict[str, int]  # of each line, what it will probably cost
    fee_bp: int
    fee_micros: int
    available_micros: int
    currency: str
    mode: str
    price_most_micros: int
    problems: list[str] = field(default_factory=list)

    @property
    def answers_beyond(self) -> int:
        """Of the answers, how many are not among the least of each item."""
        return max(0, self.answers_most - self.answers_least)

    @property
    def total_micros(self) -> int:
        return sum(self.lines.values())

    @property
    def expected_micros(self) -> int:
        return sum(self.expected.values())

    @property
    def missing_micros(self) -> int:
        return max(0, self.total_micros - self.available_micros)


@dataclass(frozen=True)
class BudgetBounds:
    """What answers may cost where a budget decides: within what makes sense, with the fee."""

    answers_micros: int  # as asked; what would probably be enough where nothing was
    least_micros: int  # for the least answers of every item
    most_micros: int  # for the most of every item


@dataclass(frozen=True)
class Running:
    """What a batch has cost, and what it will have cost at its end: probably, and at most."""

    spent_micros: int
    expected_micros: int
    most_micros: int
    answers_expected: float  # of each task


def quote(project: Project, dataset: Dataset, budget_micros: int | None = None) -> Quote:
    """What putting this dataset to work would cost at most, and probably, line by line, each with its fee.

    budget_micros  what its answers may cost, where the project buys by budget; None: what is probably enough
    """
    items = _items(project, dataset)
    gold = items.filter(truth__isnull=False).count()
    unknown = items.filter(truth__isnull=True).count()
    tasks = min(unknown, project.pilot_size) if (is_pilot := pilots.is_next(project)) else unknown
    shared = pools.share(project, gold)
    price = max(project.price_micros, *(tier["price_micros"] for tier in project.tiers), 0)
    fee = money.fee_micros(price, settings.FEE_BP)
    each = price + fee
    budget = _budget(project, tasks, each, budget_micros)
    answers = (
        min(tasks * project.redundancy_max, budget.answers_micros // each) if budget else tasks * project.redundancy_max
    )
    hidden = math.ceil(answers * project.gold_share) if shared.hidden else 0
    exams = project.exam_paid_most if project.exam_size and project.exam_price_micros else 0
    exam_fee = money.fee_micros(project.exam_price_micros, settings.FEE_BP)
    lines = {"answers": budget.answers_micros if budget else answers * each, "gold": hidden * each}
    lines |= {"training": exams * (project.exam_price_micros + exam_fee)} if exams else {}
    floor_micros, share = project.pay_floor_micros, project.top_up_most_percent
    if top_ups := fair_pay.line_micros(price, answers + hidden, floor_micros, project.currency, share):
        lines["top_ups"] = top_ups
    prepaid = Account.objects.filter(
        kind=Account.Kind.PREPAID, organisation=project.organisation, currency=project.currency, mode=project.mode
    )
    return Quote(
        items=tasks,
        gold=gold,
        practice_gold=shared.practice,
        exam_gold=shared.exam,
        pilot=tasks if is_pilot else 0,
        answers_least=tasks * project.redundancy_min,
        answers_most=answers,
        gold_answers_most=hidden,
        budget=budget,
        lines=lines,
        expected=_expected(project, lines, tasks, hidden, each),
        fee_bp=settings.FEE_BP,
        fee_micros=(answers + hidden) * fee + exams * exam_fee,
        available_micros=sum(account.balance_micros for account in prepaid),
        currency=project.currency,
        mode=project.mode,
        price_most_micros=price,
        problems=_problems(project, dataset, tasks, gold) + _budget_problems(project, tasks, budget),
    )


def running(batch: Batch) -> Running:
    """What a batch will come to, from figures whose cost does not grow with it."""
    tally, stands = tallies.of(batch), reserves.standing(batch.subject)
    most = stands.spent_micros + stands.left_micros
    wanted = answers_expected(batch.project, batch)
    if batch.state == Batch.State.CLOSED or not tally.tasks:
        return Running(stands.spent_micros, most if batch.returned_at else stands.spent_micros, most, wanted)
    undone = tally.tasks - tally.closed
    answers = tally.bought + undone * max(0.0, wanted - tally.bought / tally.tasks)
    given = max(0, tally.leased + tally.submitted + tally.accepted + tally.excluded)
    to_come = max(0.0, answers * (1 + batch.gold_share) - given) + tally.leased + tally.submitted
    expected = stands.spent_micros + round(to_come * batch.seat_most_micros)
    return Running(stands.spent_micros, min(most, expected), most, wanted)


def answers_expected(project: Project, terms: Project | Batch) -> float:
    """How many answers a task will probably want by these terms."""
    least, most = terms.redundancy_min, terms.redundancy_max
    earlier = project.batches.filter(
        redundancy_min=least, redundancy_max=most, target_confidence=terms.target_confidence, state=Batch.State.CLOSED
    )
    prior = answers_wanted(least, most, terms.target_confidence)
    if least == most:
        return float(least)
    rows: list[Tally] = [tallies.of(batch) for batch in earlier.order_by("-pk")[:EARLIER_MOST]]
    done = sum(row.closed for row in rows)
    told = sum(row.closed * min(most, max(least, row.bought / row.tasks)) for row in rows if row.tasks)
    return (PRIOR_TASKS * prior + told) / (PRIOR_TASKS + done)


def answers_wanted(least: int, most: int, confidence: float, accuracy: float = ACCURACY) -> float:
    """The mean number of answers after which the posterior of one of two sides is sure enough, or most are there."""
    each = math.log(accuracy / (1 - accuracy))
    enough = math.log(confidence / (1 - confidence)) if confidence < 1 else math.inf
    open_leads, mean = {0: 1.0}, 0.0  # how far the right side leads -> how likely, among tasks that go on
    for asked in range(1, most + 1):
        leads: dict[int, float] = {}
        for lead, share in open_leads.items():
            leads[lead + 1] = leads.get(lead + 1, 0.0) + share * accuracy
            leads[lead - 1] = leads.get(lead - 1, 0.0) + share * (1 - accuracy)
        may_stop = asked >= max(least, min(most, LEAST_SUPPORT))
        over = {lead for lead in leads if asked == most or (may_stop and abs(lead) * each >= enough)}
        mean += asked * sum(leads[lead] for lead in over)
        open_leads = {lead: share for lead, share in leads.items() if lead not in over}
    return mean


def _expected(project: Project, lines: dict[str, int], tasks: int, hidden: int, each: int) -> dict[str, int]:
    """Of each line, what it will probably cost; of those that nothing is known of, all."""
    answers = tasks * answers_expected(project, project)
    return lines | {
        "answers": min(lines["answers"], round(answers * each)),
        "gold": min(lines["gold"], math.ceil(answers * project.gold_share) * each if hidden else 0),
    }


def _budget(project: Project, tasks: int, each: int, asked: int | None) -> BudgetBounds | None:
    if project.redundancy_by != RedundancyBy.BUDGET:
        return None
    least, most = tasks * project.redundancy_min * each, tasks * project.redundancy_max * each
    enough = round(tasks * answers_expected(project, project)) * each
    return BudgetBounds(min(most, max(least, enough)) if asked is None else asked, least, most)


def _budget_problems(project: Project, tasks: int, budget: BudgetBounds | None) -> list[str]:
    if not budget or not tasks or budget.least_micros <= budget.answers_micros <= budget.most_micros:
        return []
    least, most = (money.show(micros, project.currency) for micros in (budget.least_micros, budget.most_micros))
    return [
        f"a budget for answers must lie between {least} ({project.redundancy_min} for each of {tasks:,} items) "
        f"and {most} ({project.redundancy_max} for each)"
    ]


def _items(project: Project, dataset: Dataset) -> QuerySet[Item]:
    if dataset.organisation_id != project.organisation_id:
        raise NotPublishable("the dataset belongs to another organisation")
    return Item.objects.filter(dataset=dataset, version__lte=dataset.version)


def _problems(project: Project, dataset: Dataset, tasks: int, gold: int) -> list[str]:
    """Why this cannot be published, in words for the requester."""
    found = []
    if project.state == Project.State.CLOSED:
        found.append("the project is closed")
    if project.mode != settings.MODE:
        found.append(f"the project was drafted for {project.mode} money; draft a new one")
    if not project.schema.get("fields"):
        found.append("the label schema has no fields")
    if errors := tiers.check(project.tiers, project):
        found.append(f"{errors[0].path}: {errors[0].message}")
    if not tasks:
        found.append("the dataset has no item without a truth, so there is nothing to ask")
    found += pools.problems(project, gold) + training.problems(project) + pilots.problems(project)
    return found + (_bad_truths(project, dataset) if project.schema.get("fields") else [])


def _bad_truths(project: Project, dataset: Dataset) -> list[str]:
    rows = _items(project, dataset).filter(truth__isnull=False).values_list("pk", "truth").order_by("pk")
    wrong = (
        f"the truth of item {pk} does not fit the label schema: {errors[0].path}: {errors[0].message}"
        for pk, truth in rows.iterator()
        if (errors := [e for e in label_schema.validate(project.schema, truth) if e.code != "missing"])
    )
    return list(islice(wrong, PROBLEMS_SHOWN))
