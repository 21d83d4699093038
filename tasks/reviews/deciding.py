"""The verdict of one reviewer, and what it does: nothing yet, a final label with evidence, or one answer more."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit, labels
from marketplace.core import clock, states
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.labels import schema as label_schema
from marketplace.models import Role, User
from payments import reserves
from tasks import effects, evidence, gold, seats
from tasks.errors import OwnAnswer
from tasks.models import Answer, Batch, Evidence, Review, Task
from tasks.reviews import rows, taking
from tasks.reviews.rows import Wanted

NOTE_MOST = 5_000


@transaction.atomic
def decide(review: Review, by: User, verdict: str, value: dict[str, Any] | None = None, note: str = "") -> Review:
    """Say what the label is, or ask for one more answer; for whoever holds the review, or held it last.

    The verdict is final where one is enough, where two agree, and in the second tier; then it is the label. Where two
    differ the second tier looks. Whatever is sent back waits again, and is looked at when the answer is in.

    verdict  accept (the label as it was shown), correct (with `value`), or send_back
    value    field -> what is right; fields it does not name stay as they were shown
    raises   InsufficientFunds (for one more answer), OwnAnswer, IllegalMove (another took it, or it was reopened),
             Invalid, Forbidden
    """
    if verdict not in Review.Verdict.values:
        raise Invalid(f"{verdict!r} is no verdict", expected=Review.Verdict.values)
    if len(note) > NOTE_MOST:
        raise Invalid(f"say why in {NOTE_MOST} characters at most")
    if verdict == Review.Verdict.SEND_BACK:
        seats.hold(review.batch_id)  # before any lock
    batch = rows.lock(review.batch_id)
    held = Review.objects.select_for_update(no_key=True, of=("self",)).select_related("task").get(pk=review.pk)
    _check(held, batch, by)
    decided: dict[str, Any] = {"decided_by": by, "decided_at": clock.now(), "note": note.strip()}
    if verdict == Review.Verdict.SEND_BACK:
        _send_back(held, batch, decided)
    else:
        right = _value(held, batch, verdict, value)
        is_same = right == (held.label or {})
        decided |= {"value": right, "verdict": Review.Verdict.ACCEPT if is_same else Review.Verdict.CORRECT}
        _judge(held, batch, by, decided)
    audit.record(by, held.verdict, held, tier=held.tier, state=str(held.state))
    return held


def _check(held: Review, batch: Batch, by: User) -> None:
    accounts.require(by, batch.project.organisation, Role.MANAGER, Role.REVIEWER)
    if held.tier == 2 and not taking.has_last_word(batch.project, by):
        raise Forbidden("a manager or an owner has the last word")
    if held.held_by_id != by.pk or held.state not in (Review.State.HELD, Review.State.WAITING):
        raise IllegalMove("somebody else has taken it, or it is decided", state=str(held.state))
    if held.task.state == Task.State.OPEN and batch.state == Batch.State.OPEN:
        raise IllegalMove("its task is open again; it waits for the answers", state=str(held.state))
    if Answer.objects.filter(task=held.task_id, worker__in=taking.around(by)).exists():
        raise OwnAnswer("you, or somebody who is paid with you, answered this")
    if taking.has_judged(held, by):
        raise Forbidden("you have given a verdict on this label; another person looks now")


def _value(held: Review, batch: Batch, verdict: str, value: dict[str, Any] | None) -> dict[str, Any]:
    """The whole label by this verdict, or Invalid with everything that is wrong with it."""
    shown = held.label or {}
    if verdict == Review.Verdict.ACCEPT:
        if not shown:
            raise Invalid("there is no label to accept; say what is right, or send it back")
        return shown
    named = {spec["name"] for spec in rows.fields(batch.schema)}
    if not isinstance(value, dict):
        raise Invalid("say what is right")
    opinions = {spec["name"] for spec in batch.schema["fields"]} - named
    given = {name: content for name, content in value.items() if name not in opinions}
    errors = [error.under("value") for error in label_schema.validate(batch.schema, given) if error.code != "missing"]
    if errors:
        raise Invalid("the label does not fit the label schema", errors=[asdict(error) for error in errors])
    if not given:
        raise Invalid("say what is right for at least one field")
    return {**shown, **given}


def _judge(held: Review, batch: Batch, by: User, decided: dict[str, Any]) -> None:
    """Final, or one of several; then another person looks."""
    if held.tier == 1 and batch.review_verdicts > 1:
        before = Review.objects.filter(task=held.task_id, state=Review.State.GIVEN).order_by("pk").first()
        if before is None or not agree(before.value or {}, decided["value"], batch.schema):
            states.move(held, Review.State.GIVEN, **decided)
            rows.add(batch, [Wanted(held.task_id, held.reason, tier=1 if before is None else 2, rate=held.rate)])
            return
    _replace(held.task_id, by)
    states.move(held, Review.State.FINAL, **decided)
    _tell(held, batch)
    effects.touch(batch, [held.task_id])


def _replace(task: int, by: User) -> None:
    """A verdict that was final before counts no more; one of several stays, for it led to this one."""
    if Review.objects.filter(task=task, state=Review.State.FINAL).exists():
        rows.void([task], "looked at again", by)


def _tell(final: Review, batch: Batch) -> None:
    """Hold every answer that counts against the verdict, in place of what the label said of it."""
    answers = Answer.objects.counted().filter(task=final.task_id, attempt=0).select_related("batch__project")
    judged = []
    for answer in answers.order_by("pk"):
        shares = gold.shares(answer.value or {}, final.value or {}, batch.schema)
        if shares:
            judged.append((answer, sum(shares.values()) / len(shares)))
    truths = gold.truths_of(final.value or {}, batch.schema)
    earlier = Evidence.objects.filter(kind=Evidence.Kind.CONSENSUS, answer__in=[answer for answer, _ in judged])
    evidence.void(earlier, "reviewed")
    evidence.add(Evidence.Kind.REVIEW, judged, {answer.pk: truths for answer, _ in judged})


def _send_back(held: Review, batch: Batch, decided: dict[str, Any]) -> None:
    """Buy one more answer, reserve its price, and have the label looked at again when it is in."""
    if batch.state != Batch.State.OPEN:
        raise IllegalMove("the batch is closed, so no more answers are bought", state=str(batch.state))
    sent = Review.objects.filter(task=held.task_id, state=Review.State.SENT_BACK).count()
    if sent >= settings.REVIEW_SENT_BACK_MOST:
        raise IllegalMove(f"it was sent back {sent} times already; say what is right", state=str(held.state))
    seats.bump([batch.pk])
    seats.reopen({held.task_id: 1})
    reserves.add(batch.subject, "answers", batch.seat_most_micros)
    states.move(held, Review.State.SENT_BACK, verdict=Review.Verdict.SEND_BACK, **decided)
    rows.add(batch, [Wanted(held.task_id, held.reason, tier=held.tier, rate=held.rate)])


def agree(one: dict[str, Any], other: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether two verdicts say the same, within the tolerance of each field."""
    specs = {spec["name"]: spec for spec in rows.fields(schema)}
    return set(one) == set(other) and all(
        labels.TYPES[specs[name]["type"]].matches(one[name], other[name], specs[name]) for name in one
    )
