"""The faults, one after the other, each with its negative control; and the table of what came of it."""

import time
import traceback
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from django.conf import settings

from tests.faults import crashes, disks, doubles, providers, times, wandering
from tests.faults.ground import Ground, Stage
from tests.faults.outcome import HARNESS, Fault, Outcome

SAYS_NOTHING = (HARNESS, "work/", "assignments/")  # of the naive version: it could not even answer
CONTROL_TRIES = 3  # a naive version need not lose every time
NO_OVERDRAFT_CHECK = "ALTER TABLE payments_account DROP CONSTRAINT account_not_overdrawn"
FAULTS = [
    Fault("F1", "server killed in a claim", crashes.server_killed_in_a_claim, 5, 1, 1, "claims_in_two_transactions"),
    Fault(
        "F2", "server killed around a submit", crashes.server_killed_around_a_submit, 6, 2, 1,
        "submits_in_two_transactions",
    ),
    Fault("F3", "killed around a payout", providers.lives("deaths"), 100, 2, 6, "keys_anew"),
    Fault(
        "F4", "PostgreSQL restarted under load", crashes.database_restarted, 5, 1, 2,
        also_off=["ALTER DATABASE {} SET synchronous_commit = off"],
    ),
    Fault("F5", "connections cut at random", crashes.backends_terminated, 12, 3, 1, "claims_in_two_transactions"),
    Fault("F6", "messages in any order", providers.lives("messages"), 20, 2, 4, "credits_each_message"),
    Fault("F7", "replies lost, keys expired", providers.lives("answers"), 50, 2, 4, "trusts_old_keys"),
    Fault("F8", "one key for two orders", providers.same_key_for_two, 50, 5, 2, "repeats_posts"),
    Fault("F9", "clocks ten minutes apart", times.clocks_apart, 8, 4, 3, "time_of_the_process"),
    Fault("F10", "two clusters, one killed", crashes.two_clusters, 3, 1, 2, "settles_without_locks"),
    Fault(
        "F11", "double clicks, four tabs", doubles.double_clicks, 50, 10, 4, "doubles_not_noticed",
        ["DROP INDEX assignment_open_once", "DROP INDEX answer_once_per_worker"],
    ),
    Fault("F12", "expiry against submit", doubles.expiry_against_submit, 1000, 80, 80, "submits_without_a_lock"),
    Fault("F13", "the last seat, 32 workers", doubles.last_seat, 10, 3, 1, "claims_that_count"),
    Fault("F14", "every verb in random order", doubles.lock_order, 20, 6, 10, "locks_in_another_order"),
    Fault(
        "F15", "money for exactly n, 64 clients", doubles.exact_money, 20, 6, 20, "refills_that_look_first",
        [NO_OVERDRAFT_CHECK],
    ),
    Fault("F16", "an old snapshot", times.old_snapshot, 3, 1, 1, "claims_from_the_head"),
    Fault(
        "F17", "the disk is full", disks.disk_full, 2, 1, 2, cannot=disks.cannot,
        also_off=["ALTER DATABASE {} SET synchronous_commit = off"],
    ),
    Fault("F18", "cluster killed in a settlement", crashes.cluster_killed, 2, 1, 1, "settles_in_two_transactions"),
    Fault(
        "F19", "acceptance against rejection", doubles.acceptance_against_rejection, 10, 2, 3,
        "rejects_that_look_first",
    ),
    Fault("F20", "closed with leases live", doubles.closed_with_leases, 5, 1, 2, "returns_what_is_leased"),
    Fault("F21", "random steps against a model", wandering.random_steps, 100, 1, 2, "returns_what_is_contestable"),
]  # fmt: skip
SHORT = ("F2", "F11", "F12")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: Fault
    outcome: Outcome
    control: str
    seconds: float

    @property
    def has_failed(self) -> bool:
        return bool(self.outcome.problems) or self.control.startswith("NOT")


def rows(ground: Ground, chosen: Sequence[Fault], seed: int, *, short: bool) -> Iterator[Row]:
    """Do each fault and then its control, every one on a database of its own."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    for fault in chosen:
        began = time.monotonic()
        luck = Random(seed + zlib.crc32(fault.code.encode()))
        with Stage(ground, fault.code.lower()) as stage:
            outcome = _strike(fault, stage, luck, fault.times_short if short else fault.times)
        control = _control(ground, fault, luck)
        yield Row(fault, outcome, control, time.monotonic() - began)


def _control(ground: Ground, fault: Fault, luck: Random) -> str:
    """Do the same to the naive version, which must not survive it: the problem that showed it."""
    found: Sequence[str] = []
    for number in range(CONTROL_TRIES):
        name = f"{fault.code.lower()}_control_{number}"
        with Stage(ground, name, fault.guard_off) as stage:
            for statement in fault.also_off:
                stage.ask(statement.format(name))
            found = _strike(fault, stage, luck, fault.times_control).problems
        if found and not found[0].startswith(SAYS_NOTHING):
            return f"caught: {found[0]}"
    return f"NOT caught in {CONTROL_TRIES} tries: {found[0] if found else 'every promise held'}"


def _strike(fault: Fault, stage: Stage, luck: Random, times: int) -> Outcome:
    try:
        outcome = fault.strike(stage, luck, times)
    except Exception as error:
        traceback.print_exc()
        return Outcome("it did not end", 0, [f"{HARNESS}{type(error).__name__}: {error}"])
    return outcome if outcome.times else replace(outcome, problems=[f"{HARNESS}nothing was struck", *outcome.problems])


HEAD = f"{'fault':<36} {'done':<46} {'struck':>6} {'promises':<8} {'s':>4}  control"


def line(row: Row) -> str:
    """The row as it is printed, and below it what was broken."""
    title, held = f"{row.fault.code:<4}{row.fault.title}", "BROKEN" if row.outcome.problems else "held"
    first = f"{title:<36} {row.outcome.done:<46} {row.outcome.times:>6} {held:<8} {row.seconds:>4.0f}  {row.control}"
    return "\n".join([first, *(f"     broken: {problem}" for problem in row.outcome.problems)])


def last_line(done: Sequence[Row]) -> str:
    """What it came to, as it is printed."""
    failed = [row.fault.code for row in done if row.has_failed]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "every promise held, every control was caught"
    return f"{len(done)} faults in {sum(row.seconds for row in done):.0f} s; {verdict}"
