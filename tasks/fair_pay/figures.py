"""What an hour pays in a project: made anew where something changed, and read as one row."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from marketplace.core import clock
from marketplace.core.pay_floors import ANYWHERE
from marketplace.models import Project
from tasks.fair_pay import floors, rates
from tasks.models import Batch, PayFigures, TimeSheet

NEW_STEP = 5_000
PROJECTS_STEP = 100

# From one project to the next: what is behind the first new sheet of each is not read. All of them, whose figures are
# oldest first: where only so many of the lowest keys were looked for, while those are busy no other had its turn
OUTDATED = """
WITH RECURSIVE found AS (
    (SELECT project_id FROM tasks_timesheet WHERE is_new ORDER BY project_id LIMIT 1)
    UNION ALL
    SELECT (SELECT project_id FROM tasks_timesheet WHERE is_new AND project_id > found.project_id
            ORDER BY project_id LIMIT 1)
    FROM found WHERE project_id IS NOT NULL)
SELECT project_id FROM found WHERE project_id IS NOT NULL
ORDER BY (SELECT made_at FROM tasks_payfigures figures WHERE figures.project_id = found.project_id) NULLS FIRST,
    project_id LIMIT %s
"""
# The country is the one the provider pays to, where it is known, else the one that was stated
COUNTRY = """coalesce((
    SELECT account.country FROM payments_payoutaccount account
    WHERE account.user_id = w.user_id AND account.mode = {mode} AND account.state <> 'closed' AND account.country <> ''
    LIMIT 1), w.country)"""
HELD = """EXISTS (SELECT FROM payments_hold h
              WHERE h.user_id = w.user_id AND h.lifted_at IS NULL
                  AND h.since <= clock_timestamp() AND h.until > clock_timestamp())"""
WORKERS = f"""
SELECT {COUNTRY.format(mode="%(mode)s")}, sum(s.offered_micros - s.rejected_micros)::bigint,
       sum(s.work_s + s.test_s + s.reading_s)::bigint, sum(s.work_s)::bigint, sum(s.answers)::bigint
FROM (SELECT * FROM tasks_timesheet WHERE project_id = %(project)s ORDER BY id DESC LIMIT %(most)s) s
JOIN workers_worker w ON w.id = s.worker_id WHERE NOT {HELD}
GROUP BY w.id HAVING sum(s.work_s) > 0 AND sum(s.answers) > 0 ORDER BY w.id
"""


class Hours(NamedTuple):
    """One worker in a project."""

    country: str
    micros: int  # what the time is worth: prices of what was handed in and not rejected
    seconds: int  # all of it: work, tests, reading
    work_s: int
    answers: int


@dataclass(frozen=True)
class Pay:
    """What an hour pays in a project as somebody is told; figures are None while too few have worked."""

    currency: str
    workers: int  # 0: too few to tell
    median_micros: int | None
    low_micros: int | None
    high_micros: int | None
    under: int | None
    task_s: float | None
    spread: list[int]
    expected_s: int
    expected_micros: int  # an hour, at the seconds that the requester expects
    floor_micros: int  # 0: none in this currency
    floor_whose: str
    floor_country: str
    top_up_most_percent: int

    @property
    def is_measured(self) -> bool:
        return self.workers > 0

    @property
    def under_share(self) -> float | None:
        return self.under / self.workers if self.under is not None else None

    @property
    def shown_micros(self) -> int:
        return self.expected_micros if self.median_micros is None else self.median_micros

    @property
    def is_under(self) -> bool:
        return self.shown_micros < self.floor_micros


def outdated() -> list[int]:
    """Projects in which a time sheet changed since their figures were made, the oldest figures first."""
    with connection.cursor() as sql:
        sql.execute(OUTDATED, [PROJECTS_STEP])
        return [project for (project,) in sql.fetchall()]


@transaction.atomic
def look(project: int, limit: int = NEW_STEP) -> bool:
    """Make the figures of a project anew, and have its changed batches held against their floor; True: ask again."""
    at = clock.now()
    PayFigures.objects.bulk_create([PayFigures(project_id=project, made_at=at)], ignore_conflicts=True)
    figures = PayFigures.objects.select_for_update(no_key=True).get(pk=project)
    home = Project.objects.get(pk=project)
    changed = TimeSheet.objects.filter(project=project, is_new=True)
    batches = sorted(set(changed.order_by("batch").values_list("batch", flat=True)[:limit]))
    _call_for_top_ups(home, batches)
    sheets = changed.filter(batch__in=batches).order_by("batch", "worker")
    seen = list(sheets.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)[:limit])
    TimeSheet.objects.filter(pk__in=seen).update(is_new=False)
    for name, value in _made(home).items():
        setattr(figures, name, value)
    figures.made_at = at
    figures.save()
    return len(seen) == limit


def _call_for_top_ups(project: Project, batches: list[int]) -> None:
    """Have the pay in these batches looked at: in a while where work goes on, at once where it does not."""
    for batch in batches:
        found = Batch.objects.get(pk=batch)
        if not floors.may_hold(found.pay_floor_micros, project.currency):
            continue
        at, row = clock.now(), Batch.objects.filter(pk=batch)
        if found.state == Batch.State.CLOSED:  # from the beginning, also where a look has begun: it may be the last
            row.update(top_up_at=at, top_up_after=0)
        else:
            row.filter(top_up_at=None).update(top_up_at=at + timedelta(seconds=settings.TOP_UP_EVERY_S), top_up_after=0)


def hours(project: Project) -> list[Hours]:
    """The time of each worker in a project, those under a hold left out; of the newest sheets."""
    values: dict[str, int | str] = {"project": project.pk, "mode": project.mode, "most": settings.PAY_WORKERS_MOST}
    with connection.cursor() as sql:
        sql.execute(WORKERS, values)
        return [Hours(*row) for row in sql.fetchall()]


def _made(project: Project) -> dict[str, Any]:
    rows = hours(project)
    if not rows:
        return {"workers": 0, "median_micros": 0, "low_micros": 0, "high_micros": 0, "under": 0, "spread": []}
    paid = rates.hourly([max(0, row.micros) for row in rows], [row.seconds for row in rows])
    due = [floors.of(project.pay_floor_micros, row.country, project.currency).micros for row in rows]
    middle = rates.median(paid)
    return {
        "workers": len(rows),
        "median_micros": round(middle.median),
        "low_micros": round(middle.low),
        "high_micros": round(middle.high),
        "task_s": rates.median([row.work_s / row.answers for row in rows]).median,
        "under": rates.below(paid, due),
        "spread": rates.spread(paid),
    }


def told(figures: PayFigures | None) -> bool:
    """Whether these figures rest on enough workers to be told, and acted on."""
    return figures is not None and figures.workers >= settings.PAY_LEAST_WORKERS


def of(project: Project) -> Pay:
    """What an hour pays here, as told to those who offer it: with the floor that the next batch has."""
    return _pay(project, PayFigures.objects.filter(pk=project.pk).first())


def offered_to(project: Project, country: str, price_micros: int) -> Pay:
    """The same as told to a worker of this country whom an answer pays so much: with the floor that holds now."""
    figures = PayFigures.objects.filter(pk=project.pk).first()
    agreed = Batch.objects.workable().filter(project=project).order_by("-pk").first() or project
    return _pay(project, figures, country, price_micros, agreed)


def of_many(projects: Iterable[Project]) -> dict[int, Pay]:
    """The same for several projects, by primary key."""
    listed = list(projects)
    found = PayFigures.objects.in_bulk([project.pk for project in listed])
    return {project.pk: _pay(project, found.get(project.pk)) for project in listed}


def _pay(
    project: Project,
    figures: PayFigures | None,
    country: str = ANYWHERE,
    price_micros: int | None = None,
    agreed: Project | Batch | None = None,
) -> Pay:
    terms = agreed or project
    floor = floors.of(terms.pay_floor_micros, country, project.currency)
    known = figures if figures and told(figures) else None
    price = project.price_micros if price_micros is None else price_micros
    return Pay(
        currency=project.currency,
        workers=known.workers if known else 0,
        median_micros=known.median_micros if known else None,
        low_micros=known.low_micros if known else None,
        high_micros=known.high_micros if known else None,
        under=known.under if known else None,
        task_s=known.task_s if known else None,
        spread=known.spread if known else [],
        expected_s=project.expected_s,
        expected_micros=round(price * rates.HOUR_S / project.expected_s),
        floor_micros=floor.micros,
        floor_whose=floor.whose,
        floor_country=floor.country,
        top_up_most_percent=terms.top_up_most_percent,
    )
