"""Work where a test wants it, through the verbs that put it there."""

from contextlib import suppress
from typing import Any

from marketplace.models import Dataset, Project
from payments import prepayments
from tasks import assignments, batches, decisions, jobs, training
from tasks.errors import NoTaskAvailable
from tasks.models import Assignment, Batch
from tests import make
from workers import profiles
from workers.models import Worker


def published(
    items: int = 6,
    gold: int = 0,
    *,
    schema: dict[str, Any] | None = None,
    micros: int = 100_000_000,
    budget_micros: int | None = None,
    **terms: Any,
) -> Batch:
    """An open batch of so many items and gold items ("owl"), in a project of Rita's; with a budget bought by it."""
    home = make.organisation()
    rita = make.owner(home)
    prepayments.request(home, rita, micros, "USD")
    terms = {"gold_share": 0.0, "redundancy_min": 2, "redundancy_max": 2, "page_size": 3, **terms}
    if budget_micros is not None:
        terms |= {"redundancy_by": "budget"}
    project = make.project(home, schema=schema, **terms)
    rows = [{"text": f"item {n}"} for n in range(items)]
    rows += [{"text": f"gold {n}", "truth": "owl"} for n in range(gold)]
    truth = {"truth_columns": {"truth": project.schema["fields"][0]["name"]}} if gold else {}
    return publish(project, make.dataset(rows, home, project=project, **truth), budget_micros)


def publish(project: Project, data: Dataset, budget_micros: int | None = None) -> Batch:
    batch = batches.publish(project, data, make.owner(project.organisation), budget_micros)
    while batches.fill(batch.pk):
        pass
    batch.refresh_from_db()
    return batch


def worker(name: str = "wes") -> Worker:
    return profiles.of(make.user(name))


def answer(lease: Assignment, *animals: str, default: str = "cat") -> Assignment:
    """Hand in a page: these animals in order, then the default."""
    given = dict(enumerate(animals))
    held = lease.answers.filter(state__in=["leased", "expired"]).values_list("position", flat=True)
    return assignments.submit(lease, {n: {"animal": given.get(n, default)} for n in held})


def work(person: Worker, batch: Batch, default: str = "cat") -> Assignment:
    return answer(assignments.claim(person, batch.project), default=default)


def work_all(person: Worker, batch: Batch, default: str = "cat") -> None:
    """Page after page until nothing is left for this worker."""
    with suppress(NoTaskAvailable):
        while True:
            work(person, batch, default)


def earned(person: Worker, micros: int) -> None:
    """Have this worker earn so much, by an answer that was accepted and settled."""
    batch = published(items=1, page_size=1, practice_size=0, price_micros=micros)
    lease = work(person, batch)
    decisions.accept(list(lease.answers.select_related("batch")), make.user("rita"))
    sweep()


def practise(person: Worker, project: Project, animal: str = "owl") -> Assignment:
    return answer(training.start(person, project), default=animal)


def sweep() -> None:
    """Everything the cluster does, once."""
    for step in (jobs.expire, jobs.grade, jobs.update_consensus, jobs.accept, jobs.settle, jobs.tally, jobs.close):
        while step():
            pass
