"""A right answer that is rejected, contested and restored; and people who ask to be paid."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tasks.demo.client import Client, Refused
from tasks.demo.offer import wait

NOT_YET = {"insufficient-funds", "invalid"}  # nothing, or less than the least that is paid out


def settle_one(requester: Client, worker: Client, admin: Client, project: str) -> str | None:
    """Play the whole dispute, or the rest of it; the state of the appeal, None where no answer waits for a decision."""
    mine = [answer for answer in worker.every("work/answers") if answer["project"] == project]
    decision = _decision(worker, mine)
    if decision is None:
        waiting = [answer["id"] for answer in mine if answer["state"] == "submitted"]
        if not waiting:
            return None
        reason = "The digit was read carelessly: please look at the picture again."
        requester.post(f"answers/{waiting[0]}/reject", {"reason_code": "wrong", "reason": reason})
        decision = _decision(worker, mine)
        assert decision is not None
    if decision["appeal"] is None:
        statement = "I looked again and still read the same digit. Please compare it with the other answers."
        worker.post(f"work/decisions/{decision['id']}/appeal", {"statement": statement})
        decision = _decision(worker, mine)
        assert decision is not None
    appeal: dict[str, Any] = decision["appeal"]
    if appeal["state"] == "open":
        verdict = {"reason": "The picture shows what the worker answered."}
        appeal = admin.post(f"appeals/{appeal['id']}/uphold", verdict)
    return str(appeal["state"])


def ask_for_payouts(workers: Sequence[Client], check: Callable[[], None]) -> int:
    """Have each of these people request all they have earned, and wait until it is sent; how many have a payout."""
    asked = [worker for worker in workers if _has_payout(worker)]
    for worker in asked:
        wait(partial(_last_payout, worker), lambda payout: payout["state"] != "requested", check, "payouts")
    return len(asked)


def _has_payout(worker: Client) -> bool:
    if _last_payout(worker):
        return True
    try:
        worker.post("payouts", {"currency": "USD"})
    except Refused as refusal:
        if refusal.code in NOT_YET:
            return False
        raise
    return True


def _last_payout(worker: Client) -> dict[str, Any]:
    """The latest payout of a person; empty when there is none."""
    return next(worker.every("payouts"), {})


def _decision(worker: Client, answers: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The first decision about one of these answers."""
    ids = {answer["id"] for answer in answers}
    about = [decision for decision in worker.every("work/decisions") if decision["answer"] in ids]
    return about[-1] if about else None
