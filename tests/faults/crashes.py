"""Something is killed while people work: a server process, the database, its backends, a cluster."""

import threading
import time
from random import Random
from typing import Any

from tasks import decisions
from tasks.models import Answer
from tests import apart
from tests.faults.ground import RESPAWN_S, Stage
from tests.faults.load import Person, Seen, at_work, problems, published
from tests.faults.outcome import Outcome
from tests.tasks import work

CLIENTS = 12
PLENTY: dict[str, Any] = {"redundancy_min": CLIENTS, "redundancy_max": CLIENTS}  # each task for all of them
RECOVERED_WITHIN_S = 5.0  # after PostgreSQL was restarted: the first request that is done again
SET_S = 0.5  # until what holds up a submit is in its place
WAITING = "wait_event_type = 'Lock'"
ENDED_WITHIN_S = 90.0  # a sweep that was queued in a killed cluster is queued again after 15 s


def people(stage: Stage, seen: Seen, count: int = CLIENTS) -> list[Person]:
    return [Person(stage.ports(), seen, work.worker(f"worker{n}")) for n in range(count)]


def server_killed_in_a_claim(stage: Stage, rng: Random, times: int) -> Outcome:
    """F1: kill -9 one or all server processes in the middle of claims, where they write their answers."""
    batch, web, seen = published(3000, 60, **PLENTY, gold_share=0.1), stage.web(), Seen()
    with at_work(people(stage, seen), batch.project):
        for number in range(times):
            time.sleep(RESPAWN_S if number else 1)
            with stage.stopped("tasks_answer"):
                found = web.processes()
                apart.kill(*rng.sample(found, rng.randint(1, len(found))))
                if number % 2 == 0:  # otherwise what was sent goes on to its end, without who sent it
                    stage.cut(WAITING)
        time.sleep(1)
    return Outcome(f"{len(seen.claims)} claims, {seen.broken} connections cut", times, problems(seen))


def server_killed_around_a_submit(stage: Stage, rng: Random, times: int) -> Outcome:
    """F2: kill -9 all server processes while pages are handed in, in turn before and after the commit."""
    batch, web, seen = published(600), stage.web(), Seen()
    crowd = people(stage, seen, 8)
    found: list[str] = []
    for number in range(times):
        pages = [(person, person.claim(batch.project).body) for person in crowd]
        threads = [threading.Timer(SET_S, person.submit, [page]) for person, page in pages]
        time.sleep(RESPAWN_S if number else 0)
        for thread in threads:
            thread.start()
        with stage.untold(4) if number % 2 else stage.held_up("tasks_answer", "SHARE", "%UPDATE%tasks_answer%", 4):
            apart.kill(*web.processes())
        for thread in threads:
            thread.join()
        for person, page in pages:
            first = seen.submits.get(page["id"])
            if first is None or any(person.submit(page, animal).body != first for animal in ("cat", "dog")):
                found.append(f"the same page, sent again, got another answer ({page['id']})")
    return Outcome(f"{len(seen.submits)} pages, {seen.broken} connections cut", times, [*found, *problems(seen)])


def database_restarted(stage: Stage, rng: Random, times: int) -> Outcome:
    """F4: PostgreSQL ends at once under load and starts again; it recovers what it had acknowledged."""
    batch, seen, took = published(3000, 60, **PLENTY, gold_share=0.1, accept_after_s=0), Seen(), []
    stage.web()
    stage.cluster()
    with at_work(people(stage, seen), batch.project):
        for _ in range(times):
            time.sleep(rng.uniform(2, 5))
            began = time.monotonic()
            gone_at = stage.ground.restart_at_once()
            apart.until(lambda: seen.done_at > gone_at, within_s=60)  # noqa: B023
            took.append(seen.done_at - began)
        time.sleep(1)
    found = [] if max(took) < RECOVERED_WITHIN_S else [f"back only after {max(took):.1f} s"]
    done = f"{len(seen.submits)} pages; back in {max(took):.1f} s at most"
    return Outcome(done, times, [*found, *problems(seen)])


def backends_terminated(stage: Stage, rng: Random, times: int) -> Outcome:
    """F5: connections cut by the database, at random and in the middle of a claim."""
    batch, seen = published(3000, 60, **PLENTY, gold_share=0.1, accept_after_s=0), Seen()
    stage.web()
    stage.cluster()
    with at_work(people(stage, seen), batch.project):
        time.sleep(1)
        for number in range(times):
            time.sleep(rng.uniform(0.5, 1.5))
            if number % 3:
                stage.cut("true", rng.randint(1, 3))
            else:
                with stage.stopped("tasks_answer"):
                    stage.cut(WAITING)
        time.sleep(1)
    return Outcome(f"{len(seen.submits)} pages, {seen.statuses[503]} x 503", times, problems(seen))


def cluster_killed(stage: Stage, rng: Random, times: int) -> Outcome:
    """F18: kill -9 a cluster while a settlement is paid and not yet noted."""
    batch, seen = published(300, **PLENTY, accept_after_s=0), Seen()
    stage.web()
    crowd = people(stage, seen)
    for _ in range(times):
        with at_work(crowd, batch.project):
            time.sleep(1)
        decisions.accept_due()
        cluster = stage.cluster()
        with stage.held_up("tasks_answer", "SHARE", "%UPDATE%tasks_answer%entry_id%"):
            apart.kill(cluster.pid)
            cluster.wait()
            stage.cut(WAITING)  # a statement that was sent goes on without the process that sent it
    stage.cluster()
    return Outcome(f"{len(seen.submits)} pages", times, [*unpaid(stage), *problems(seen)])


def two_clusters(stage: Stage, rng: Random, times: int) -> Outcome:
    """F10: two clusters run the same sweeps at once, and one of them is killed and started again."""
    batch, seen = published(600 * times, 10, **PLENTY, gold_share=0.1, accept_after_s=0), Seen()
    stage.web()
    clusters = [stage.cluster(), stage.cluster()]
    with at_work(people(stage, seen), batch.project):
        for number in range(times):
            time.sleep(rng.uniform(5, 7))
            victim = number % 2
            apart.kill(clusters[victim].pid)
            clusters[victim] = stage.cluster()
    return Outcome(f"{len(seen.submits)} pages", times, [*unpaid(stage), *problems(seen)])


def unpaid(stage: Stage) -> list[str]:
    """Wait until everything that was handed in is accepted and paid; what is not in time."""
    waiting = Answer.objects.filter(attempt=0, state__in=["submitted", "accepted"], entry=None)
    try:
        apart.until(lambda: not waiting.exists(), ENDED_WITHIN_S)
    except AssertionError:
        return [f"{waiting.count()} answers are not paid after {ENDED_WITHIN_S:.0f} s"]
    return []
