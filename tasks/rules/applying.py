"""Rules that are on: who has news, whether the conditions hold, and what is done, once for one cause."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Max, Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from marketplace.core import clock
from marketplace.models import Project, Role, User
from tasks import decisions
from tasks.models import Answer, Decision, Evidence, Firing, Rule
from tasks.rules import collectors, wording
from tasks.rules.collectors import COLLECTORS, Hit
from tasks.rules.pieces import Piece
from workers import notices
from workers.models import Grant, Worker

log = logging.getLogger(__name__)

COMMITTED_WITHIN = timedelta(minutes=1)  # a row's time is read this long before others see it, at most
WORKERS_STEP, RULES_STEP = 200, 500
UNDONE = (Decision.State.OVERTURNED, Decision.State.DECLINED)


@dataclass(frozen=True)
class Past:
    """What a rule, in all its versions, did about a worker.

    in_force  something of it still holds, or waits for a person
    seen      the key of the newest piece there was when it last acted
    floor     pieces up to this key count no more: a person, or a wrong check, has undone what rested on them
    since     what came before this moment is none to act on: the rule was off, or what it had done was in force
    """

    in_force: bool
    seen: int
    floor: int
    since: datetime


def on() -> Iterable[Rule]:
    """Rules that are on, those that waited longest first."""
    running = Rule.objects.filter(state=Rule.State.ON).exclude(project__state=Project.State.CLOSED)
    return running.select_related("project__organisation").order_by("looked_at", "pk")[:RULES_STEP]


def in_force(project: Project) -> Iterable[Rule]:
    """The rules of a project that are on: what workers read."""
    return Rule.objects.filter(project=project, state=Rule.State.ON).order_by("pk")


def look(rule: Rule, limit: int = WORKERS_STEP) -> bool:
    """Look at workers of whom something is new since the last round; True while the round has more of them.

    Two at once look at the same workers, and act once.
    """
    began = rule.looking_at or clock.now()
    since = (rule.looked_at or began) - COMMITTED_WITHIN
    fresh = COLLECTORS[rule.collector].active(rule.project, since, began + COMMITTED_WITHIN)
    workers = sorted(worker for worker in fresh if worker > rule.looked_worker)[:limit]
    before = set(Firing.objects.filter(family(rule), worker__in=workers).values_list("worker", flat=True))
    for worker in workers:
        try:
            # a glance without the lock tells of nearly all that there is nothing; what was undone changes what counts
            if worker in before or collectors.first_hit(rule, counted(rule, worker), since=rule.switched_at):
                consider(rule, worker)
        except Exception:  # of one worker; the others do not wait
            log.exception("rule %s failed for worker %s", rule.pk, worker)
    more = len(workers) == limit
    here = Rule.objects.filter(pk=rule.pk, looked_at=rule.looked_at, looked_worker=rule.looked_worker)
    if more:
        here.update(looking_at=began, looked_worker=workers[-1])
    else:
        here.update(looked_at=began, looking_at=None, looked_worker=0)
    return more


@transaction.atomic
def consider(rule: Rule, worker: int) -> Firing | None:
    """Act on a worker if the rule's conditions hold at something new, and it has not acted on that already."""
    _lock(rule, worker)
    rule = Rule.objects.select_related("project__organisation").get(pk=rule.pk)  # as it is now
    person = Worker.objects.select_related("user").get(pk=worker)
    if rule.state != Rule.State.ON or not may_be_hit(rule.project, [worker]):
        return None
    past = _past(rule, person)
    if past.in_force:
        return None
    found = counted(rule, worker, past.floor)
    hit = collectors.first_hit(rule, found, past.seen, past.since)
    return _act(rule, person, hit, found[-1].key) if hit else None


def counted(rule: Rule, worker: int, floor: int = -1) -> list[Piece]:
    """The pieces of a worker that a rule counts, oldest first."""
    return [piece for piece in COLLECTORS[rule.collector].read(rule.project, worker) if piece.key > floor]


def may_be_hit(project: Project, workers: Iterable[int]) -> set[int]:
    """Of these workers those whom rules may judge: no members of the organisation, nobody without an answer."""
    members = project.organisation.memberships.values("user")
    people = Worker.objects.filter(pk__in=list(workers)).exclude(user__in=members)
    answers = Answer.objects.filter(assignment__project=project, submitted_at__isnull=False)
    return {worker for worker in people.values_list("pk", flat=True) if answers.filter(worker=worker).exists()}


def _lock(rule: Rule, worker: int) -> None:
    """One at a time about a rule and a worker, of whatever version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"rule:{rule.family}:{worker}"])


def family(rule: Rule) -> Q:
    """What names a version of the same rule."""
    return Q(rule=rule.family) | Q(rule__origin=rule.family)


def versions(rule: Rule) -> Q:
    """All versions of the same rule."""
    return Q(pk=rule.family) | Q(origin=rule.family)


def done_by(found: Iterable[Rule]) -> dict[int, dict[str, int]]:
    """By family: how many decisions of these rules are in each state."""
    families = [rule.family for rule in found]
    decided = Decision.objects.annotate(family=Coalesce("rule__origin", "rule")).filter(family__in=families)
    did: dict[int, dict[str, int]] = {}
    for of, state, count in decided.values_list("family", "state").annotate(count=Count("pk")):
        did.setdefault(of, {})[state] = count
    return did


def _past(rule: Rule, worker: Worker) -> Past:
    done = Firing.objects.filter(family(rule), worker=worker, rule__collector=rule.collector)
    ends = [_end(decision, worker) for decision in Decision.objects.filter(family(rule), worker=worker)]
    at = clock.now()
    return Past(
        in_force=any(end is None or end > at for end in ends),
        seen=_newest(done),
        floor=_newest(done.filter(decision__state__in=UNDONE)),
        since=max([rule.switched_at or at, *(end for end in ends if end)]),
    )


def _newest(firings: Any) -> int:
    newest = firings.aggregate(newest=Max("seen"))["newest"]
    return -1 if newest is None else int(newest)


def _end(decision: Decision, worker: Worker) -> datetime | None:
    """When what was decided ceased, or will cease, to be in force; None: nobody knows yet."""
    if decision.state == Decision.State.PROPOSED:
        return None
    if decision.state in UNDONE:
        return decision.undone_at or decision.decided_at
    if decision.kind == Decision.Kind.RETRAIN:
        passed = Grant.objects.filter(worker=worker, qualification__project=decision.project_id, revoked_at=None)
        again = passed.filter(granted_at__gt=decision.decided_at).first()
        return again.granted_at if again else None
    return decision.decided_at if decision.answer_id else decision.until  # about an answer it is over at once


def _act(rule: Rule, worker: Worker, hit: Hit, seen: int) -> Firing:
    made: Decision | None = None
    kind = rule.action["kind"]
    if kind == "notify":
        _notify(rule, worker, hit)
    elif kind == "propose":
        made = _propose(rule, worker, hit)
    else:
        hours = rule.action.get("hours")
        made = decisions.decide(
            kind,
            worker,
            project=rule.project,
            rule=rule,
            until=clock.now() + timedelta(hours=hours) if hours else None,
            evidence=_rows(hit),
            **_why(rule, hit, {name: rule.action[name] for name in ("page_size",) if name in rule.action}),
        )
    return Firing.objects.create(
        rule=rule, worker=worker, at=clock.now(), upto=hit.key, seen=seen, figures=hit.figures, decision=made
    )


def _why(rule: Rule, hit: Hit, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "reason_code": COLLECTORS[rule.collector].reason_code,
        "reason": wording.because(rule, hit.figures),
        "facts": {**hit.figures, **more},
    }


def _rows(hit: Hit) -> list[Evidence]:
    return list(Evidence.objects.filter(pk__in=[piece.evidence for piece in hit.counted if piece.evidence]))


def _propose(rule: Rule, worker: Worker, hit: Hit) -> Decision | None:
    """Ask a person; the first of what was asked, if there was something to ask about."""
    why, rows = _why(rule, hit, {}), _rows(hit)
    if rule.action["what"] == "deny":
        return decisions.propose("deny", worker, rule, evidence=rows, **why)
    why["facts"] = {**why["facts"], "refill": True}
    waiting = _undecided(rule, worker)
    made = [decisions.propose("reject", worker, rule, answer=one, evidence=rows, **why) for one in waiting]
    return made[0] if made else None


def _undecided(rule: Rule, worker: Worker) -> list[Answer]:
    """Work of this worker in the project that waits for a decision, and about which the rule has not asked before."""
    waiting = Answer.objects.filter(
        worker=worker,
        batch__project=rule.project,
        state=Answer.State.SUBMITTED,
        attempt=0,
        submitted_at__isnull=False,
        entry=None,
        price_micros__gt=0,  # as the index of what is unpaid says
    )
    asked = Decision.objects.filter(family(rule), worker=worker, answer__isnull=False)
    return list(waiting.exclude(pk__in=asked.values("answer")).order_by("-pk")[: settings.RULE_PROPOSALS_MOST])


def _notify(rule: Rule, worker: Worker, hit: Hit) -> None:
    project, text = rule.project, rule.action["text"]
    if rule.action["whom"] == "worker":
        said = f"{text}\n\n{wording.because(rule, hit.figures)}"
        link = reverse("work-project", args=[project.public_id])
        notices.tell(worker.user_id, "rule", f"About your work on {project.title}"[:200], said, link)
        return
    name = project.organisation.pseudonym(worker.public_id)
    said = f"{text}\n\nWorker {name}. {wording.because(rule, hit.figures)}"
    for user in _responsible(rule):
        notices.tell(user, "rule", f"{rule.name}: {project.title}"[:200], said, reverse("rule", args=[rule.public_id]))


def _responsible(rule: Rule) -> list[User]:
    """Who wrote the rule, while they may; otherwise the owners."""
    members = rule.project.organisation.memberships.select_related("user").order_by("pk")
    author = members.filter(user=rule.created_by_id, role__in=[Role.OWNER, Role.MANAGER])
    return [member.user for member in author or members.filter(role=Role.OWNER)]
