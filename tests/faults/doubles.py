"""Several at once want the same thing: a page, a seat, the last money, or a lock that another holds."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

from django.db import connection

from marketplace import accounts
from marketplace.core import clock
from payments import prepayments
from payments.models import Account
from tasks import assignments
from tasks.models import Answer, Appeal, Assignment, Batch, Decision
from tests import apart, make
from tests.faults.ground import Stage
from tests.faults.load import Person, Reply, Seen, at_work, problems, published, with_keys
from tests.faults.outcome import Outcome
from tests.race import race
from tests.tasks import work

PRICE_MICROS, FEE_MICROS = 50_000, 5_000
CLIENTS = 64
PAID_WITHIN_S, RETURNED_WITHIN_S = 20.0, 40.0


def double_clicks(stage: Stage, rng: Random, times: int) -> Outcome:
    """F11: the same person claims four times at once, and hands the page in from four tabs with other answers each."""
    batch, seen, found = published(6 * times + 9), Seen(is_calm=True), []
    stage.web()
    for number in range(times):
        wes = Person(stage.ports(), seen, work.worker(f"worker{number}"))
        tabs = [wes, wes.twin(), wes.twin(), wes.twin()]
        pages: list[Reply] = race(*[lambda tab=tab: tab.claim(batch.project) for tab in tabs])
        if sorted(page.status for page in pages) != [200, 200, 200, 201] or len({p.body.get("id") for p in pages}) > 1:
            found.append(f"a claim clicked four times: {sorted(page.status for page in pages)}")
            continue
        animals = ["cat", "dog", "owl", "cat"]
        replies = race(
            *[
                lambda t=tab, a=animal, page=pages[0].body: t.submit(page, a)
                for tab, animal in zip(tabs, animals, strict=True)
            ]
        )
        if any(reply.body != replies[0].body for reply in replies):
            found.append("a page handed in from four tabs got several answers")
    return Outcome(f"{4 * times} claims, {4 * times} submits", times, [*found[:3], *problems(seen)])


def expiry_against_submit(stage: Stage, rng: Random, times: int) -> Outcome:
    """F12: a lease ends in the instant in which its page is handed in, and others wait for the seat."""
    at_once = 40
    rounds = max(1, times // at_once)
    seen, found, refused = Seen(is_calm=True), [], 0
    stage.web()
    crowd = [Person(stage.ports(), seen, work.worker(f"worker{n}")) for n in range(at_once)]
    others = [Person(stage.ports(), seen, work.worker(f"other{n}")) for n in range(2)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(rounds):
            batch = published(at_once, page_size=1, redundancy_min=1, redundancy_max=1, accept_after_s=0)
            pages = list(pool.map(lambda person: person.claim(batch.project).body, crowd))  # noqa: B023
            ids = [page["id"] for page in pages]
            Assignment.objects.filter(public_id__in=ids).update(leased_until=clock.now())
            sweep = threading.Thread(target=_expire, args=[ids, seen])
            sweep.start()
            order = rng.sample(range(at_once), at_once)
            with at_work(others, batch.project):
                replies = list(pool.map(lambda n: crowd[n].submit(pages[n]), order))  # noqa: B023
                sweep.join()
            states = dict(Assignment.objects.filter(public_id__in=ids).values_list("public_id", "state"))
            for n, reply in zip(order, replies, strict=True):
                refused += not reply.is_done
                if states[ids[n]] != ("submitted" if reply.is_done else "expired"):
                    found.append(f"told {reply.status}, and the page is {states[ids[n]]}")
    work.sweep()
    paid = sum(account.balance_micros for account in Account.objects.filter(kind="earnings"))
    if paid != len(seen.submits) * PRICE_MICROS:
        found.append(f"{len(seen.submits)} pages were taken, {paid / PRICE_MICROS:.0f} paid")
    done = f"{rounds * at_once - refused} taken, {refused} ended"
    return Outcome(done, rounds * at_once, [*found[:3], *problems(seen)])


def _expire(ids: list[str], seen: Seen) -> None:
    """Sweep again and again until none of these leases is open."""
    try:
        while Assignment.objects.filter(public_id__in=ids, state="open").exists():
            assignments.expire(limit=3)
    except Exception as error:
        seen.failures.append(f"the sweep failed: {error}".partition("\n")[0])
    finally:
        connection.close()


def last_seat(stage: Stage, rng: Random, times: int) -> Outcome:
    """F13: 32 workers claim the one seat that is left."""
    seen, found = Seen(is_calm=True), []
    stage.web()
    crowd = [Person(stage.ports(), seen, work.worker(f"worker{n}")) for n in range(32)]
    for _ in range(times):
        batch = published(1, redundancy_min=1, redundancy_max=1)
        replies = race(*[lambda person=person: person.claim(batch.project) for person in crowd])  # noqa: B023
        statuses = sorted(reply.status for reply in replies)
        if statuses != [201, *[409] * 31]:
            found.append(f"{statuses.count(201)} of 32 got the last seat")
    return Outcome(f"{32 * times} claims", times, [*found[:3], *problems(seen)])


def exact_money(stage: Stage, rng: Random, times: int) -> Outcome:
    """F15: prepaid are 64 answers and so many more; 64 clients get exactly those, 64 replacements exactly these."""
    home, each = make.organisation(), PRICE_MICROS + FEE_MICROS
    rita, seen, found = make.owner(home), Seen(is_calm=True), []
    prepayments.request(home, rita, (CLIENTS + times) * each, "USD")
    terms = {"page_size": 1, "redundancy_min": 2, "redundancy_max": 2, "gold_share": 0.0}
    project = make.project(home, **terms)
    for number in range(8):
        rows = [{"text": f"item {number}.{n}"} for n in range(CLIENTS // 16)]
        work.publish(project, make.dataset(rows, home, project=project))
    stage.web()
    crowd = [Person(stage.ports(), seen, work.worker(f"worker{n}")) for n in range(CLIENTS)]
    key = accounts.issue_key(rita, "faults", ("offer",))[1]
    first = sum(race(*[lambda person=person: person.work(project, 1) for person in crowd]))
    first += sum(person.work(project) for person in crowd)
    because = {"reason_code": "wrong", "reason": "Please look again."}
    wanted = [answer.public_id for answer in Answer.objects.select_related("assignment")]
    replies = race(
        *[
            lambda a=answer: Person(stage.ports(), seen, key=key).post(f"answers/{a}/reject", because)
            for answer in wanted
        ]
    )
    bought = sum(reply.is_done for reply in replies)
    others = {reply.code for reply in replies if not reply.is_done}
    last = sum(person.work(project) for person in crowd)
    prepaid = Account.objects.get(kind="prepaid", organisation=home).balance_micros
    if (first, bought, last, prepaid) != (CLIENTS, times, times, 0):
        found.append(f"{first} + {last} answers of {CLIENTS} + {times}; {bought} replaced; {prepaid} micros left")
    if others - {"insufficient-funds"}:
        found.append(f"refused for other reasons: {others}")
    return Outcome(f"{first} answers, {bought} replaced, {last} answers", CLIENTS + times, [*found, *problems(seen)])


def acceptance_against_rejection(stage: Stage, rng: Random, times: int) -> Outcome:
    """F19: the time to decide ends while a requester rejects, and what is accepted is paid at once."""
    seen, found, rejected, size = Seen(is_calm=True), [], 0, 20
    terms: dict[str, Any] = {"page_size": size, "redundancy_min": 1, "redundancy_max": 1, "accept_after_s": 0}
    batch = published(times * size, **terms)
    stage.web()
    stage.cluster()
    wes = Person(stage.ports(), seen, work.worker())
    rita = Person(stage.ports(), seen, key=accounts.issue_key(make.user("rita"), "faults", ("offer",))[1])
    because = {"reason_code": "wrong", "reason": "Please look again.", "refill": False}
    for _ in range(times):
        page = wes.claim(batch.project).body
        wes.submit(page)
        names = [f"{page['id']}-{task['position']}" for task in page["tasks"]]
        replies = race(*[lambda name=name: rita.twin().post(f"answers/{name}/reject", because) for name in names])
        told = {name for name, reply in zip(names, replies, strict=True) if reply.is_done}
        rejected += len(told)
        wanted = Answer.objects.filter(assignment__public_id=page["id"], entry=None).exclude(state="rejected")
        with suppress(AssertionError):
            apart.until(lambda: not wanted.exists(), PAID_WITHIN_S)  # noqa: B023
        for answer in Answer.objects.filter(assignment__public_id=page["id"]).select_related("assignment"):
            is_told = answer.public_id in told
            if (answer.state, answer.entry_id is None) != (("rejected", True) if is_told else ("accepted", False)):
                found.append(f"told {'rejected' if is_told else 'accepted'}, it is {answer.state}, {answer.entry_id}")
    return Outcome(f"{times * size - rejected} paid, {rejected} rejected", times * size, [*found[:3], *problems(seen)])


def closed_with_leases(stage: Stage, rng: Random, times: int) -> Outcome:
    """F20: a batch is closed while its pages are handed in; what returns is what was set aside less what was paid."""
    seen, found, paid = Seen(is_calm=True), [], 0
    home, each = make.organisation(), PRICE_MICROS + FEE_MICROS
    prepayments.request(home, make.owner(home), times * CLIENTS * each, "USD")
    terms = {"page_size": 2, "redundancy_min": 2, "redundancy_max": 2, "gold_share": 0.0, "accept_after_s": 0}
    project = make.project(home, **terms)
    data = make.dataset([{"text": f"item {n}"} for n in range(CLIENTS // 2)], home, project=project)
    stage.web()
    stage.cluster()
    crowd = [Person(stage.ports(), seen, work.worker(f"worker{n}")) for n in range(CLIENTS // 4)]
    rita = Person(stage.ports(), seen, key=accounts.issue_key(make.owner(home), "faults", ("offer",))[1])
    for _ in range(times):
        batch = work.publish(project, data)
        leases = [(person, page) for person in crowd if (page := person.claim(project)).is_done]
        late, now = leases[::3], [lease for lease in leases if lease not in leases[::3]]
        ended = race(
            lambda: rita.post(f"batches/{batch.public_id}/close"),  # noqa: B023
            *[lambda p=person, page=page: p.submit(page.body) for person, page in now],
        )
        apart.until(lambda: _is_looked_at(batch))  # the sweep has given back what it could  # noqa: B023
        ended += [person.submit(page.body) for person, page in late]
        paid += sum(2 * reply.is_done for reply in ended[1:])
        with suppress(AssertionError):
            apart.until(lambda: Batch.objects.get(pk=batch.pk).returned_at, RETURNED_WITHIN_S)  # noqa: B023
    prepaid = Account.objects.get(kind="prepaid", organisation=home).balance_micros
    if prepaid != (times * CLIENTS - paid) * each:
        found.append(f"{paid} answers were taken, {prepaid} micros are back of {times * CLIENTS * each}")
    return Outcome(f"{paid} answers taken", times, [*found, *problems(seen)])


def _is_looked_at(batch: Batch) -> bool:
    batch.refresh_from_db()
    return bool(batch.look_again_at or batch.returned_at)


def lock_order(stage: Stage, rng: Random, times: int) -> Outcome:
    """F14: every verb at once in random order, for so many seconds: no deadlock reaches anybody."""
    seen, swept = Seen(is_calm=True), Swept()
    batch = published(12, 6, gold_share=0.2, page_size=3, redundancy_min=4, redundancy_max=6, accept_after_s=0)
    stage.web()
    home, project = batch.project.organisation, batch.project
    keys = {
        who.pk: accounts.issue_key(who, "faults", scopes)[1]
        for who, scopes in ((make.owner(home), ("offer",)), (make.user("ada", staff=True), ("admin",)))
    }
    offer, admin = keys.values()
    until = time.monotonic() + times
    seeds = [rng.randrange(2**31) for _ in range(14)]

    def labours(person: Person, luck: Random) -> None:
        while time.monotonic() < until:
            page = person.claim(project)
            if page.is_done:
                _do_something(person, page.body, luck)
            else:
                time.sleep(0.05)
                decision = Decision.objects.filter(worker=person.worker, appeal=None).order_by("?").first()
                if decision:
                    person.post(f"work/decisions/{decision.public_id}/appeal", {"statement": "I was right."})

    def requests(luck: Random) -> None:
        client, judge = Person(stage.ports(), seen, key=offer), Person(stage.ports(), seen, key=admin)
        while time.monotonic() < until:
            _decide(client, judge, home, project, luck)

    def sweeps(luck: Random) -> None:
        while time.monotonic() < until:
            swept.run(luck)

    crowd = with_keys(stage.ports(), seen, [f"worker{n}" for n in range(8)])
    calls: list[Callable[[], Any]] = [
        *[lambda p=person, s=seed: labours(p, Random(s)) for person, seed in zip(crowd, seeds, strict=False)],
        *[lambda s=seed: requests(Random(s)) for seed in seeds[8:11]],
        *[lambda s=seed: sweeps(Random(s)) for seed in seeds[11:]],
    ]
    with swept.listening():
        found = [f"a client failed: {ended!r}" for ended in race(*calls) if ended is not None]
    deadlocks = stage.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]
    if deadlocks:
        found.append(f"the database broke {deadlocks} deadlocks")
    if faults := {status: n for status, n in seen.statuses.items() if status >= 500}:
        found.append(f"faults of the server were shown: {faults}")
    asked = sum(seen.statuses.values())
    done = f"{asked} requests, {swept.count} sweeps in {times} s"
    return Outcome(done, asked + swept.count, [*found[:3], *swept.failed[:3], *problems(seen)])


class Swept(logging.Handler):
    """The sweeps that were run, and those that failed, also where that is only logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count, self.failed = 0, []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.failed.append(f"{record.getMessage()}: {error}".partition("\n")[0])

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what sweeps log while they are run here, in the place of those who read it."""
        log = logging.getLogger("tasks.jobs")
        log.addHandler(self)
        log.propagate = False
        try:
            yield
        finally:
            log.propagate = True
            log.removeHandler(self)

    def run(self, luck: Random) -> None:
        """Let the time of some leases be over, and one sweep do its step."""
        from tasks import jobs

        for lease in Assignment.objects.filter(state="open").order_by("?")[: luck.randint(0, 2)]:
            Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now())
        names = ("fill", "expire", "grade", "update_consensus", "accept", "settle", "close")
        name = luck.choice(names)
        try:
            getattr(jobs, name)()
        except Exception as error:
            self.failed.append(f"the sweep {name} failed: {error!r}")
        self.count += 1


def _do_something(person: Person, page: dict[str, Any], luck: Random) -> None:
    """Whatever a worker does with a page."""
    path, position = f"assignments/{page['id']}", page["tasks"][0]["position"]
    match luck.randrange(8):
        case 0 | 1:
            person.post(f"{path}/return")
        case 2:
            person.post(f"{path}/skip", {"position": position})
        case 3:
            person.post(f"{path}/heartbeat", {"active_s": 1})
        case 4:
            race(lambda: person.submit(page), lambda: person.twin().post(f"{path}/return"))
        case _:
            person.submit(page)


def _decide(client: Person, judge: Person, home: Any, project: Any, luck: Random) -> None:
    """Whatever a requester or an admin does next."""
    because = {"reason_code": "wrong", "reason": "Please look again.", "refill": luck.random() < 0.7}
    waiting = Answer.objects.filter(state__in=["submitted", "accepted"], attempt=0).select_related("assignment")
    answer = waiting.order_by("?").first()
    appeal = Appeal.objects.filter(state="open").order_by("?").first()
    batch = Batch.objects.filter(state="open", project=project).order_by("?").first()
    match luck.randrange(9):
        case 0 | 1 if answer:
            client.post(f"answers/{answer.public_id}/reject", because)
        case 2 if answer:
            client.post(f"answers/{answer.public_id}/exclude", because)
        case 3 if answer:
            client.post(f"batches/{answer.batch.public_id}/accept", {"answers": [answer.public_id]})
        case 4 if appeal:
            judge.post(f"appeals/{appeal.public_id}/uphold", {"reason": "It was right."})
        case 5 if appeal:
            judge.post(f"appeals/{appeal.public_id}/dismiss", {"reason": "It was wrong."})
        case 6:
            client.post(f"organisations/{home.public_id}/prepayments", {"amount_micros": 10_000, "currency": "USD"})
        case 7 if batch and luck.random() < 0.1:
            client.post(f"batches/{batch.public_id}/close")
        case 8 if batch is None or luck.random() < 0.3:
            dataset = Batch.objects.filter(project=project)[0].dataset
            client.post(f"projects/{project.public_id}/publish", {"dataset": dataset.public_id})
