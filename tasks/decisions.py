"""What is decided about answers and workers, with the reason, and how it is undone."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse

from marketplace import accounts, audit
from marketplace.core import clock, jobs, states
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import Organisation, Role, User
from tasks import effects
from tasks.models import Answer, Appeal, Batch, Conduct, Decision, DecisionEvidence, Evidence, Rule
from workers import notices
from workers.models import Worker

REASON_MOST = 5_000
TOLD: dict[str, str] = {
    Decision.Kind.REJECT: "An answer of yours was rejected",
    Decision.Kind.EXCLUDE: "An answer of yours is not used; it is paid",
    Decision.Kind.PART: "An answer of yours is not used; a part of it is paid",
    Decision.Kind.STOP: "You are offered no more work of a project for a while",
    Decision.Kind.SMALL_PAGES: "Your pages in a project are smaller for now",
    Decision.Kind.RETRAIN: "A project asks you to train again",
    Decision.Kind.END_GRANT: "A qualification of yours has ended",
    Decision.Kind.DENY: "A requester offers you no more work",
    Decision.Kind.SUSPEND: "Your account may not work any more",
    Decision.Kind.HOLD: "Payouts to you are held for a while",
}
OPERATORS = [Decision.Kind.SUSPEND, Decision.Kind.HOLD]  # in nobody else's name
ACCEPT_STEP = 20_000
DUE = """SELECT id FROM tasks_answer WHERE state = 'submitted' AND accept_at <= %s
         ORDER BY accept_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED"""


@transaction.atomic
def accept_due(limit: int = ACCEPT_STEP) -> bool:
    """Accept what nobody decided about in time; True while there may be more."""
    with connection.cursor() as sql:
        sql.execute(DUE, [clock.now(), limit])
        due = [row[0] for row in sql.fetchall()]
        sql.execute("UPDATE tasks_answer SET state = 'accepted' WHERE id = ANY(%s)", [due])
    return len(due) == limit


@transaction.atomic
def accept(answers: Sequence[Answer], by: User) -> int:
    """Accept these answers now; what is accepted already is left as it is. Returns how many moved.

    raises  IllegalMove when one of them was decided otherwise
    """
    for batch in {answer.batch for answer in answers}:
        accounts.require(by, batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    waiting = sorted((a for a in answers if a.state != Answer.State.ACCEPTED), key=lambda answer: answer.pk)
    for answer in waiting:
        if answer.state in (Answer.State.EXCLUDED, Answer.State.REJECTED):
            raise Invalid(f"{answer.public_id} was {answer.state}; an appeal can undo that")
        states.move(answer, Answer.State.ACCEPTED)
    return len(waiting)


def exclude(answer: Answer, by: User, reason_code: str, reason: str, refill: bool = True) -> Decision:
    """Do not use this answer, and pay it all the same.

    refill  buy another answer in its place, reserving its price now
    raises  InsufficientFunds, IllegalMove, Forbidden
    """
    return _take_out(answer, by, Decision.Kind.EXCLUDE, reason_code, reason, refill)


def reject(answer: Answer, by: User, reason_code: str, reason: str, refill: bool = True) -> Decision:
    """Do not use this answer and do not pay it, for a reason the worker is told and may contest.

    Its price stays reserved until the time to contest, or an appeal, has ended.
    refill  buy another answer in its place, reserving its price now
    raises  InsufficientFunds, IllegalMove (accepted work is never rejected), Forbidden
    """
    return _take_out(answer, by, Decision.Kind.REJECT, reason_code, reason, refill)


def pay_part(answer: Answer, by: User, reason_code: str, reason: str, percent: int, refill: bool = True) -> Decision:
    """Do not use this answer, and pay so much of its price, for a reason the worker is told and may contest.

    The rest stays reserved until the time to contest, or an appeal, has ended; if it is upheld, the rest is paid too.
    percent  of the price, 1 to 99; the part is rounded up to a whole micro
    refill   buy another answer in its place, reserving its price now
    raises   InsufficientFunds, IllegalMove (accepted work is paid in whole), Invalid, Forbidden
    """
    if not 1 <= percent <= 99:
        raise Invalid("pay 1 to 99 percent; to pay nothing or all there are other decisions")
    return _take_out(answer, by, Decision.Kind.PART, reason_code, reason, refill, percent=percent)


@transaction.atomic
def _take_out(answer: Answer, by: User, kind: str, code: str, reason: str, refill: bool, **facts: int) -> Decision:
    batch = Batch.objects.select_related("project__organisation").get(pk=answer.batch_id)
    answer.batch = batch
    about = {"answer": answer, "project": batch.project, "decided_by": by, "facts": {"refill": refill, **facts}}
    decision = _drafted(kind, answer.worker, code, reason, about)
    _may_sign(decision, by)
    _check(decision)
    effects.take_out(decision)  # first, for it locks the answer
    _take_effect(decision)
    if kind == Decision.Kind.PART:
        effects.withhold(decision)
    return decision


@transaction.atomic
def decide(
    kind: str,
    worker: Worker,
    *,
    reason_code: str,
    reason: str,
    by: User | None = None,
    evidence: Iterable[Evidence] = (),
    **about: Any,
) -> Decision:
    """Decide about a worker: stop them in a project, ask for training again, deny them an organisation, and so on.

    by      who decides; without, a rule does, and may do no more than stop for a while, give smaller pages, or retrain
    about   project or organisation, rule, grant, until (when it ends by itself), and facts: the figures it rests on,
            with `page_size` for smaller pages
    raises  Forbidden, Invalid
    """
    decision = _drafted(kind, worker, reason_code, reason, about)
    decision.decided_by = by
    if by:
        _may_sign(decision, by)
    _check(decision)
    effects.apply(decision)
    _take_effect(decision)
    _ground(decision, evidence)
    return decision


@transaction.atomic
def propose(
    kind: str,
    worker: Worker,
    rule: Rule,
    *,
    reason_code: str,
    reason: str,
    evidence: Iterable[Evidence] = (),
    **about: Any,
) -> Decision:
    """Put before a person what a rule may not do by itself; nothing happens, and nobody is told, before one signs.

    about  the answer to reject, if it is one; facts
    """
    decision = _drafted(kind, worker, reason_code, reason, {"project": rule.project, "rule": rule, **about})
    _check(decision)
    decision.state, decision.decided_at = Decision.State.PROPOSED, clock.now()
    decision.contestable_until = decision.decided_at
    decision.save()
    _ground(decision, evidence)
    audit.record(None, "propose", decision, rule=rule.pk)
    return decision


@transaction.atomic
def sign(decision: Decision, by: User) -> Decision:
    """Take responsibility for what a rule proposed: from now on it is this person's decision, and has its effect."""
    decision = _locked(decision)
    _may_sign(decision, by)
    if decision.state != Decision.State.PROPOSED:
        raise IllegalMove(f"it is {decision.state} already", state=str(decision.state))
    decision.decided_by = by
    if decision.answer:
        decision.answer.batch = Batch.objects.select_related("project__organisation").get(pk=decision.answer.batch_id)
        effects.take_out(decision)
    else:
        effects.apply(decision)
    _take_effect(decision)
    return decision


@transaction.atomic
def decline(decision: Decision, by: User) -> None:
    """Do not do what a rule proposed."""
    decision = _locked(decision)
    _may_sign(decision, by)
    states.move(decision, Decision.State.DECLINED, decided_by=by, decided_at=clock.now())
    audit.record(by, "decline", decision)


@transaction.atomic
def withdraw(decision: Decision, by: User, reason: str) -> None:
    """Take back one's own organisation's decision, as if an appeal against it had been upheld."""
    decision = _locked(decision)
    _may_sign(decision, by)
    if not reason.strip():
        raise Invalid("say why; the worker reads it")
    open_appeal = Appeal.objects.filter(decision=decision, state=Appeal.State.OPEN).first()
    if open_appeal:
        at = clock.now()
        states.move(open_appeal, Appeal.State.UPHELD, decided_by=by, reason=reason.strip(), decided_at=at)
    overturn(decision, by, reason.strip())


@transaction.atomic
def overturn(decision: Decision, by: User | None, because: str) -> None:
    """Undo a decision completely: what it took is given back, its evidence is void, labels are recomputed."""
    states.move(decision, Decision.State.OVERTURNED, undone_at=clock.now(), undone_because=because)
    if decision.answer:
        effects.put_back(decision)
        if decision.kind != Decision.Kind.EXCLUDE:  # the answer may be right after all, and a reviewer wrong
            jobs.enqueue("tasks.jobs.doubt_verdict", decision.answer.task_id)
    else:
        effects.undo(decision)
    count(decision, overturned=1)
    _tell(decision, "A decision about you is undone", f"{decision.get_kind_display()}: {because}")
    audit.record(by, "overturn", decision)


def _drafted(kind: str, worker: Worker, reason_code: str, reason: str, about: dict[str, Any]) -> Decision:
    decision = Decision(kind=kind, worker=worker, reason_code=reason_code, reason=reason.strip(), **about)
    if decision.project:
        decision.organisation = decision.project.organisation
    return decision


def _locked(decision: Decision) -> Decision:
    rows = Decision.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("answer__task", "worker__user", "project", "organisation", "grant", "standing").get(
        pk=decision.pk
    )


def _may_sign(decision: Decision, by: User) -> None:
    """Reviewers decide about answers, managers about people, admins about accounts; nobody about themselves."""
    if decision.organisation is None or decision.kind in OPERATORS:
        if not by.is_staff:
            raise Forbidden("accounts are suspended, and payouts held, by admins")
    elif decision.answer:
        accounts.require(by, decision.organisation, Role.MANAGER, Role.REVIEWER)
    else:
        accounts.require(by, decision.organisation, Role.MANAGER)
    if by.pk == decision.worker.user_id:
        raise Forbidden("nobody decides about themselves")


def _check(decision: Decision) -> None:
    kind, scope = decision.kind, effects.SCOPES.get(decision.kind)
    if kind not in Decision.Kind.values:
        raise Invalid(f"{kind!r} is not a kind of decision", expected=Decision.Kind.values)
    if decision.reason_code not in Decision.Reason.values:
        raise Invalid(f"{decision.reason_code!r} is not a reason code", expected=Decision.Reason.values)
    if not decision.reason or len(decision.reason) > REASON_MOST:
        raise Invalid(f"say why in your own words, in 1 to {REASON_MOST} characters; the worker reads it")
    if (scope == "project" and decision.project is None) or (scope == "organisation" and decision.organisation is None):
        raise Invalid(f"{kind} is decided in {'a project' if scope == 'project' else 'an organisation'}")
    if kind == Decision.Kind.HOLD:
        _check_hold(decision)
    if decision.answer and decision.answer.attempt:
        raise Invalid("practice is not decided about")


def _check_hold(decision: Decision) -> None:
    """A hold is the operator's, and ends: what somebody has earned is theirs, and is kept back for a while at most."""
    if decision.organisation:
        raise Invalid("payouts are held in the operator's name, not in an organisation's")
    at, most = clock.now(), settings.HOLD_MOST_DAYS
    if decision.until is None or not at < decision.until <= at + timedelta(days=most):
        wrong = {"path": "until", "code": "range", "message": f"must lie within {most} days from now"}
        raise Invalid(f"a hold ends, after {most} days at the latest", errors=[wrong])


def _take_effect(decision: Decision) -> None:
    """Write the decision as it takes effect now, and tell the worker at this moment."""
    at = clock.now()
    window_s = decision.project.appeal_window_s if decision.project else settings.APPEAL_WINDOW_S
    decision.state, decision.decided_at = Decision.State.STANDING, at
    decision.contestable_until = at + timedelta(seconds=window_s)
    decision.save()
    count(decision, decided=1)
    contest = f"You can contest it until {decision.contestable_until:%d %b %Y, %H:%M} UTC."
    if decision.until and decision.kind == Decision.Kind.HOLD:
        contest = f"It ends by itself on {decision.until:%d %b %Y, %H:%M} UTC. {contest}"
    _tell(decision, TOLD[decision.kind], f"{decision.get_reason_code_display()}. {decision.reason}\n\n{contest}")
    audit.record(decision.decided_by, decision.kind, decision, answer=decision.answer_id, rule=decision.rule_id)


def _ground(decision: Decision, evidence: Iterable[Evidence]) -> None:
    DecisionEvidence.objects.bulk_create(
        [DecisionEvidence(decision=decision, evidence=row) for row in evidence], batch_size=2000
    )


def count(decision: Decision, **more: int) -> None:
    """Count what an organisation did, for workers to see."""
    if decision.organisation is None or decision.kind == Decision.Kind.EXCLUDE:  # nobody loses by being excluded
        return
    Conduct.objects.bulk_create([Conduct(organisation=decision.organisation)], ignore_conflicts=True)
    counts = Conduct.objects.filter(organisation=decision.organisation)
    counts.update(**{name: F(name) + n for name, n in more.items()})


def conduct_of(organisation: Organisation) -> Conduct:
    """How this organisation has decided about workers so far."""
    return Conduct.objects.filter(organisation=organisation).first() or Conduct(organisation=organisation)


def _tell(decision: Decision, subject: str, text: str) -> None:
    link = reverse("decision", args=[decision.public_id])
    notices.tell(decision.worker.user_id, "decision", subject, text, link)
