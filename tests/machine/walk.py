"""The walk: a rule for every verb that moves money; after each, the database is what the books say."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple, TypeVar

import hypothesis
import pytest
from django.conf import settings
from django.db.models import F, Q
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from marketplace import accounts
from marketplace.core import clock
from marketplace.core.errors import Conflict, DomainError, Forbidden, IllegalMove, InsufficientFunds
from marketplace.models import Mode
from payments import disputes, maturities, payouts, prepayments, refunds
from payments.gateway import Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Dispute, Payout, Prepayment, Refund
from tasks import appeals, assignments, audit, batches, bonuses, budgets, decisions, earning, fair_pay, settlement
from tasks.models import Answer, Appeal, Assignment, Batch, Decision, PayFigures, TimeSheet, TopUpProposal
from tests import make
from tests.machine.books import (
    EACH_MICROS,
    FEE_BP,
    FLOOR_MICROS,
    PRICE_MICROS,
    TOP_UP_PERCENT,
    Books,
    Paid,
    Piece,
    Sheet,
)
from tests.payments import made
from tests.tasks import work
from workers.models import Worker

T = TypeVar("T")
NUMBERS = count(1)
ITEMS, REDUNDANCY, PAGE, WORKERS = 4, 2, 2, 3
CENT = 10_000
AUDITED_EVERY = 500  # steps
HELD_DAYS = 7  # what a new organisation pays
BALANCE = F("credits_micros") - F("debits_micros")
LINE_MICROS = ITEMS * REDUNDANCY * PRICE_MICROS * TOP_UP_PERCENT // 100  # of a batch, for top-ups
# Figures by which all are under the floor
MEASURED = {"workers": 5, "median_micros": 0, "spread": [0] * 11, "task_s": 1e6}
TAKEN_OUT = {"reject": "rejected", "exclude": "excluded"}
TERMS = {
    **{"price_micros": PRICE_MICROS, "redundancy_min": REDUNDANCY, "redundancy_max": REDUNDANCY, "page_size": PAGE},
    **{"gold_share": 0.0, "practice_size": 0, "accept_after_s": 3600},
    **{"pay_floor_micros": FLOOR_MICROS, "top_up_most_percent": TOP_UP_PERCENT},
}
picks = st.integers(0, 10_000)
outcomes = st.sampled_from(["pays", "pays", "refuses", "silent"])


class Verb(NamedTuple):
    """Something that may happen, when it may, and what is drawn for it."""

    call: Callable[..., None]
    holds: Callable[["Walk"], Any]
    drawn: dict[str, st.SearchStrategy[Any]]


VERBS: list[Verb] = []


def when(holds: Callable[["Walk"], Any], **drawn: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One of the verbs that a step chooses from, evenly: hypothesis would leave most of its own rules out of a walk."""

    def listed(call: Callable[..., None]) -> Callable[..., None]:
        VERBS.append(Verb(call, holds, drawn))
        return call

    return listed


def always(walk: "Walk") -> bool:
    return True


def one_of(some: Sequence[T], which: int) -> T:
    return some[which % len(some)]


class Scripted(Sandbox):
    """A provider of test money that does what the walk says: pays, refuses, or is not heard."""

    mode = Mode.TEST

    def __init__(self, says: str = "pays") -> None:
        self.says = says

    def pay_out(self, payout: Payout) -> str:
        self._answer()
        return f"tr_{payout.pk}"

    def refund(self, refund: Refund) -> str:
        self._answer()
        return f"re_{refund.pk}"

    def _answer(self) -> None:
        if self.says == "refuses":
            raise Refused("the account is closed")
        if self.says == "silent":
            raise TimeoutError


def earner(name: str) -> Worker:
    """Somebody who may earn money that is not of play, and is paid where they live."""
    worker = work.worker(name)
    made.paid_to(worker.user)
    earning.state(worker, worker.languages, "US", of_age=True)
    return worker


class Walk(RuleBasedStateMachine):
    """One organisation, a few workers, and whatever may happen to their money."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        name = f"{next(NUMBERS)}-{clock.now():%H%M%S%f}"
        self.rita, self.ada, self.bob = make.user(f"rita{name}"), *(make.user(n, staff=True) for n in ("ada", "bob"))
        self.home = make.organisation(self.rita)
        self.workers = [earner(f"worker{n}.{name}") for n in range(WORKERS)]
        self.project = make.project(self.home, **TERMS)
        self.data = make.dataset([{"text": f"item {n}"} for n in range(ITEMS)], self.home, project=self.project)
        self.batches: set[int] = set()
        self.books = Books()
        self.is_frozen, self.uncovered = False, dict[str, int]()  # of each dispute, what we lose
        self.out: dict[str, list[int]] = {"payouts": [], "refunds": []}  # that were sent and did not come back
        self.before = self._shared()

    @initialize(cents=st.integers(0, 500))
    def begin(self, cents: int) -> None:
        self.prepay(200, True)
        self.publish()
        self.prepay(cents + 1, True)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        verb = data.draw(st.sampled_from([verb for verb in VERBS if verb.holds(self)]))
        drawn = {name: data.draw(strategy) for name, strategy in verb.drawn.items()}
        hypothesis.note(f"{verb.call.__name__} {drawn}")
        verb.call(self, **drawn)

    # Money in, work out

    @when(always, cents=st.integers(1, 200), comes=st.sampled_from([True, True, False]))
    def prepay(self, cents: int, comes: bool) -> None:
        """Asked for; it comes at once, or later, or never."""
        asked = prepayments.request(self.home, self.rita, cents * CENT, "USD", through=Scripted())
        self.books.asked[asked.pk] = cents * CENT
        if comes:
            self.credit(asked.pk)

    @when(lambda walk: walk.books.asked, which=picks, comes=st.booleans())
    def end_prepayment(self, which: int, comes: bool) -> None:
        """Paid, or not; what had failed may be paid all the same."""
        pk = one_of(list(self.books.asked), which)
        if comes:
            self.credit(pk)
        else:
            prepayments.fail(pk, "nobody paid")

    def credit(self, pk: int) -> None:
        for _ in range(2):  # it is told twice
            prepayments.settle_paid(pk, f"ch_{pk}")
        prepayments.fail(pk, "told late")
        self.books.credit(pk)

    @when(lambda walk: any(not one.is_old for one in walk.books.paid.values()))
    def days_pass(self) -> None:
        """As many as a bank needs to take back what a stranger paid."""
        young, days = [one for one in self.books.paid.values() if not one.is_old], timedelta(days=HELD_DAYS)
        rows = Prepayment.objects.filter(pk__in=[one.pk for one in young])
        rows.update(paid_at=F("paid_at") - days, payable_from=F("payable_from") - days)
        for one in young:
            one.is_old, one.waits = True, False

    @when(lambda walk: any(micros for place, micros in walk.books.at.items() if place.startswith("pending")))
    def mature(self) -> None:
        while maturities.mature(at=clock.now() + timedelta(days=HELD_DAYS + 1)):
            pass
        self.books.mature()

    @when(lambda walk: len(walk.running()) < 3)
    def publish(self) -> None:
        cost = ITEMS * REDUNDANCY * EACH_MICROS + LINE_MICROS
        with self.refused_if(self.books.at["prepaid"] < cost and InsufficientFunds):  # also while it is frozen
            batch = work.publish(self.project, self.data)
            self.batches.add(batch.pk)
            self.books.lines[batch.pk] = LINE_MICROS
            self.books.move("prepaid", f"reserve:{batch.pk}", cost)

    @when(lambda walk: walk.idle() and walk.running() and not walk.is_frozen)
    def claim(self) -> None:
        for worker in self.idle():
            try:
                lease = assignments.claim(worker, self.project)
            except DomainError:
                continue  # nothing is left for them: what may be claimed, other tests say
            for pk in lease.answers.values_list("pk", flat=True):
                self.books.pieces[pk] = Piece(pk, lease.batch_id, worker.user_id, lease.pk)
            return

    @when(
        lambda walk: walk.pieces("leased"),
        which=picks,
        animal=st.sampled_from(["cat", "dog"]),
        seconds=st.integers(0, 60),
    )
    def submit(self, which: int, animal: str, seconds: int) -> None:
        lease = self.leased(which)
        work.answer(lease, default=animal)
        Assignment.objects.filter(pk=lease.pk).update(active_s=seconds)
        self.become("submitted", lease)
        sheet = self.books.sheets[lease.batch_id, lease.worker.user_id]
        sheet.answers, sheet.seconds = sheet.answers + lease.answers.count(), sheet.seconds + seconds

    @when(lambda walk: walk.pieces("leased"), which=picks, ends=st.sampled_from(["returned", "expired"]))
    def end_lease(self, which: int, ends: str) -> None:
        lease = self.leased(which)
        if ends == "returned":
            assignments.give_back(lease)
        else:
            Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now())
            while assignments.expire():
                pass
        self.become(ends, lease)

    # What is decided

    @when(lambda walk: walk.pieces("submitted"), which=picks)
    def accept(self, which: int) -> None:
        piece = one_of(self.pieces("submitted"), which)
        decisions.accept([self.answer(piece)], self.rita)
        piece.state = "accepted"

    @when(
        lambda walk: walk.pieces("submitted", "accepted"),
        which=picks,
        kind=st.sampled_from(["reject", "exclude"]),
        refill=st.booleans(),
    )
    def take_out(self, which: int, kind: str, refill: bool) -> None:
        """Accepted work is never rejected."""
        piece = one_of(self.pieces("submitted", "accepted"), which)
        buys = refill and piece.batch not in self.books.closed
        is_late = kind == "reject" and piece.state == "accepted"
        is_short = buys and self.books.at["prepaid"] < EACH_MICROS
        with self.refused_if(IllegalMove if is_late else is_short and InsufficientFunds):
            getattr(decisions, kind)(self.answer(piece), self.rita, "wrong", "It is a dog.", refill)
            piece.state, piece.appeal, piece.is_final = TAKEN_OUT[kind], "", False
            if buys:
                self.books.move("prepaid", f"reserve:{piece.batch}", EACH_MICROS)

    @when(lambda walk: walk.pieces("submitted"), which=picks, percent=st.integers(1, 99), refill=st.booleans())
    def pay_part(self, which: int, percent: int, refill: bool) -> None:
        """A part of the price, rounded up; the rest is kept as long as it can be contested."""
        piece = one_of(self.pieces("submitted"), which)
        buys = refill and piece.batch not in self.books.closed
        with self.refused_if(buys and self.books.at["prepaid"] < EACH_MICROS and InsufficientFunds):
            decisions.pay_part(self.answer(piece), self.rita, "wrong", "It is half a dog.", percent, refill)
            piece.state, piece.appeal, piece.is_final = "excluded", "", False
            piece.price_micros = -(-PRICE_MICROS * percent // 100)
            piece.withheld_micros = PRICE_MICROS - piece.price_micros
            if buys:
                self.books.move("prepaid", f"reserve:{piece.batch}", EACH_MICROS)

    @when(lambda walk: walk.decided(), which=picks)
    def withdraw(self, which: int) -> None:
        """What could no longer be contested was given back, and is reserved anew."""
        piece = one_of(self.decided(), which)
        taken = EACH_MICROS if piece.state == "rejected" else piece.rest_micros
        is_short = not piece.is_kept and taken > self.books.at["prepaid"]
        with self.refused_if(is_short and InsufficientFunds):
            decisions.withdraw(self.decision(piece), self.rita, "I was wrong.")
            self.books.put_back(piece)

    @when(lambda walk: walk.contestable(), which=picks)
    def contest(self, which: int) -> None:
        piece = one_of(self.contestable(), which)
        worker = next(worker for worker in self.workers if worker.user_id == piece.worker)
        appeals.contest(self.decision(piece), worker, "I looked twice.")
        piece.appeal = "open"

    @when(lambda walk: walk.contested(), which=picks, verdict=st.sampled_from(["uphold", "dismiss"]))
    def settle_appeal(self, which: int, verdict: str) -> None:
        piece = one_of(self.contested(), which)
        appeal = Appeal.objects.get(decision=self.decision(piece))
        getattr(appeals, verdict)(appeal, self.ada, "I looked.")
        if verdict == "uphold":
            self.books.put_back(piece)
        else:
            piece.appeal = "dismissed"

    @when(lambda walk: walk.contestable(), which=picks)
    def window_ends(self, which: int) -> None:
        piece = one_of(self.contestable(), which)
        over = clock.now() - timedelta(hours=1)
        Decision.objects.filter(pk=self.decision(piece).pk).update(contestable_until=over)
        piece.is_final = True

    # What is raised, lowered and given on top

    @when(lambda walk: walk.running(), which=picks, seats=st.integers(-3, 3))
    def change_budget(self, which: int, seats: int) -> None:
        """By so many answers; what was given out is paid whatever it comes to."""
        batch = Batch.objects.get(pk=one_of(self.running(), which))
        before = budgets.of(batch)
        wanted = before.answers_micros + seats * EACH_MICROS
        if not seats or (seats < 0 and wanted < before.least_micros):
            return
        with self.refused_if(seats * EACH_MICROS > self.books.at["prepaid"] and InsufficientFunds):
            budgets.change(batch, self.rita, wanted)
            while budgets.fit(batch.pk):
                pass
            self.books.move("prepaid", f"reserve:{batch.pk}", seats * EACH_MICROS)

    @when(lambda walk: walk.workers_of(), which=picks, cents=st.integers(1, 50))
    def give_bonus(self, which: int, cents: int) -> None:
        """To anybody who worked; the same key again is the same bonus."""
        worker, micros = one_of(self.workers_of(), which), cents * CENT
        fee_micros, key = micros * FEE_BP // 10_000, f"bonus {next(NUMBERS)}"
        is_short = micros + fee_micros > self.books.at["prepaid"]
        with self.refused_if(Forbidden if self.is_frozen else is_short and InsufficientFunds):
            name = self.home.pseudonym(worker.public_id)
            given = [bonuses.give(self.project, name, self.rita, micros, "Well done.", key) for _ in range(2)]
            self.books.move("prepaid", f"reserve:{given[0].batch_id}", micros + fee_micros)
            self.books.earn(given[0].batch_id, worker.user_id, micros, fee_micros)

    # What sweeps do

    @when(lambda walk: any(not piece.is_settled for piece in walk.pieces("accepted", "excluded")))
    def settle(self) -> None:
        for batch in self.batches:
            while settlement.settle(batch):
                pass
        self.books.settle()

    @when(lambda walk: any(sheet.missing_micros for sheet in walk.books.sheets.values()))
    def top_up(self) -> None:
        """Hold everybody's pay against the floor, as the sweeps do; what an hour pays, other tests measure."""
        while fair_pay.note_pages():
            pass
        PayFigures.objects.update_or_create(project=self.project, defaults={**MEASURED, "made_at": clock.now()})
        TimeSheet.objects.filter(project=self.project).update(is_new=False)
        for pk in sorted(self.batches):
            Batch.objects.filter(pk=pk).update(top_up_at=clock.now(), top_up_after=0)
            while fair_pay.top_up(pk):
                pass
            self.books.top_up(pk)

    @when(lambda walk: walk.proposed(), which=picks)
    def grant_top_up(self, which: int) -> None:
        """As far as it is missing still."""
        (batch, user), sheet = one_of(self.proposed(), which)
        amount = min(sheet.proposed_micros, sheet.missing_micros - sheet.declined_micros)
        is_short = amount > self.books.at["prepaid"] and InsufficientFunds
        with self.refused_if(Forbidden if self.is_frozen else Conflict if amount <= 0 else is_short):
            fair_pay.grant(self.proposal(batch, user), self.rita)
            sheet.proposed_micros = 0
            sheet.topped_micros, sheet.granted_micros = sheet.topped_micros + amount, sheet.granted_micros + amount
            self.books.move("prepaid", f"reserve:{batch}", amount)
            self.books.earn(batch, user, amount, 0)

    @when(lambda walk: walk.proposed(), which=picks)
    def decline_top_up(self, which: int) -> None:
        (batch, user), sheet = one_of(self.proposed(), which)
        fair_pay.decline(self.proposal(batch, user), self.rita, "They idled.")
        left = sheet.missing_micros - sheet.unasked_micros(self.books.lines[batch]) - sheet.declined_micros
        sheet.declined_micros += max(0, min(sheet.proposed_micros, left))
        sheet.proposed_micros = 0

    @when(lambda walk: len(walk.running()) > 1, which=picks)
    def close(self, which: int) -> None:
        self.end(one_of(self.running(), which))

    @when(lambda walk: walk.books.closed)
    def return_rest(self) -> None:
        self.top_up()  # a last look; what is owed still keeps what may be added to it
        for pk in self.books.closed:
            while batches.return_rest(pk):
                pass
        self.books.give_back_rest()

    # Money out

    @when(lambda walk: walk.earners(), which=picks, says=outcomes, cents=st.integers(0, 20))
    def pay_out(self, which: int, says: str, cents: int) -> None:
        """All there is, or so many cents."""
        worker = one_of(self.earners(), which)
        earned, asked = self.books.at[f"earnings:{worker.user_id}"], cents * CENT or None
        amount = asked or earned // CENT * CENT
        is_too_much = amount > earned or amount < settings.PAYOUT_LEAST_MICROS
        with self.refused_if(is_too_much and DomainError):
            payout = payouts.request(worker.user, asked)
            self.books.move(f"earnings:{worker.user_id}", "in_transit", amount)
            self.send(payout, says)

    @when(lambda walk: walk.books.at["in_transit"], which=picks, says=outcomes)
    def send_again(self, which: int, says: str) -> None:
        users = [worker.user_id for worker in self.workers]
        waiting = Payout.objects.filter(user__in=users, state="requested").order_by("pk")
        self.send(one_of(list(waiting), which), says)

    def send(self, payout: Payout, says: str) -> None:
        try:
            payouts.send(payout.pk, through=Scripted(says))
        except TimeoutError:
            return
        to = "outside" if says == "pays" else f"earnings:{payout.user_id}"
        self.books.move("in_transit", to, payout.amount_micros)
        if says == "pays":
            self.out["payouts"].append(payout.pk)

    @when(lambda walk: walk.out["payouts"], which=picks)
    def come_back(self, which: int) -> None:
        """The bank that was paid sends it back; told twice, it is earned again once."""
        payout = Payout.objects.get(pk=one_of(self.out["payouts"], which))
        for _ in range(2):
            payouts.came_back(payout.provider_id, "closed")
        self.out["payouts"].remove(payout.pk)
        self.books.move("outside", f"earnings:{payout.user_id}", payout.amount_micros)

    @when(lambda walk: walk.out["refunds"], which=picks)
    def fail_refund(self, which: int) -> None:
        """It had been sent, and comes back; what was said before and arrives now changes nothing."""
        refund = one_of(self.out["refunds"], which)
        for state in ("failed", "succeeded", "failed"):
            refunds.settle(f"re_{refund}", state, refund_pk=refund)
        self.out["refunds"].remove(refund)
        self.back("outside", Refund.objects.get(pk=refund))

    @when(
        lambda walk: walk.books.at["prepaid"] >= CENT and not walk.is_frozen, cents=st.integers(1, 300), says=outcomes
    )
    def refund(self, cents: int, says: str) -> None:
        """To what it was paid with, or by hand after that failed; by two."""
        with self.refused_if(cents * CENT > min(self.books.at["prepaid"], self.refundable()) and DomainError):
            for refund in refunds.request(self.home, self.rita, cents * CENT, "USD"):
                self.books.move("prepaid", "refunding", refund.amount_micros)
                self.books.paid[refund.prepayment_id].refunded_micros += refund.amount_micros
                if refund.state == Refund.State.REQUESTED:
                    self.send_refund(refund, says)

    @when(lambda walk: walk.books.at["refunding"], which=picks, says=outcomes)
    def end_refund(self, which: int, says: str) -> None:
        waiting = Refund.objects.filter(prepayment__organisation=self.home, state__in=["requested", "proposed"])
        refund = one_of(list(waiting.order_by("pk")), which)
        if refund.state == Refund.State.REQUESTED:
            self.send_refund(refund, says)
        elif says == "refuses":
            refunds.decline(refund, self.ada, "No.")
            self.back("refunding", refund)
        else:
            refunds.sign(refunds.propose(refund, self.ada), self.bob)
            self.books.move("refunding", "outside", refund.amount_micros)

    def send_refund(self, refund: Refund, says: str) -> None:
        try:
            refunds.send(refund.pk, through=Scripted(says))
        except TimeoutError:
            return
        if says == "pays":
            self.books.move("refunding", "outside", refund.amount_micros)
            self.out["refunds"].append(refund.pk)
        else:
            self.back("refunding", refund)

    def back(self, place: str, refund: Refund) -> None:
        """It is prepaid again."""
        self.books.move(place, "prepaid", refund.amount_micros)
        self.books.paid[refund.prepayment_id].refunded_micros -= refund.amount_micros

    # What banks take back

    @when(lambda walk: walk.undisputed(), which=picks, cents=st.integers(1, 300))
    def dispute(self, which: int, cents: int) -> None:
        """What is prepaid bears it as far as it goes, the operator the rest; told twice, it happens once."""
        paid = one_of(self.undisputed(), which)
        back = Prepayment.objects.get(pk=paid.pk).refunded_micros  # a bank takes no more than what is left of a charge
        amount = min(cents * CENT, paid.micros - back)
        if not amount:
            return
        for _ in range(2):
            disputes.opened(f"ch_{paid.pk}", f"dp_{paid.pk}", amount, "fraudulent")
        paid.disputed = "open"
        covered = min(amount, self.books.at["prepaid"])
        self.books.move("prepaid", "outside", covered)
        self.books.move("losses", "outside", amount - covered)
        self.uncovered[f"dp_{paid.pk}"] = amount - covered
        self.is_frozen = True

    @when(lambda walk: walk.disputed(), which=picks, won=st.booleans())
    def end_dispute(self, which: int, won: bool) -> None:
        dispute = one_of(self.disputed(), which)
        disputes.closed(dispute.provider_id, won)
        self.books.paid[dispute.prepayment_id].disputed = "won" if won else "lost"
        if won:
            loss = self.uncovered.pop(dispute.provider_id)
            self.books.move("outside", "losses", loss)
            self.books.move("outside", "prepaid", dispute.amount_micros - loss)

    @when(lambda walk: any(walk.uncovered.values()) and walk.books.at["prepaid"])
    def make_losses_good(self) -> None:
        """With what is prepaid since, the oldest first."""
        disputes.catch_up()
        for key, loss in self.uncovered.items():
            part = min(loss, self.books.at["prepaid"])
            self.books.move("prepaid", "losses", part)
            self.uncovered[key] -= part

    @when(lambda walk: walk.is_frozen)
    def thaw(self) -> None:
        accounts.thaw(self.home, self.ada, "It is over.")
        self.is_frozen = False

    # After every step, and at the end

    @invariant()
    def database_is_as_the_books_say(self) -> None:
        found, at = self.found(), self.books.at
        wrong = {
            place: (found.get(place, 0), at[place]) for place in found.keys() | at if found.get(place, 0) != at[place]
        }
        assert not wrong, f"micros found and expected: {wrong}"
        Walk.steps += 1
        if Walk.steps % AUDITED_EVERY == 0:
            assert audit.check() == []

    def teardown(self) -> None:
        """However it stands, everything ends: what is neither owed nor spent is the organisation's again."""
        for pk in self.running():
            self.end(pk)
        self.settle()
        self.return_rest()
        self.make_losses_good()  # or the sweep of the next walk does
        self.database_is_as_the_books_say()

    # What stands where

    def found(self) -> dict[str, int]:
        """The balances that are not zero; of places that all share, what this walk has changed."""
        now = self._shared()
        here = {place: now[place] - self.before.get(place, 0) for place in now}
        own = Q(organisation=self.home) | Q(user__in=[worker.user_id for worker in self.workers])
        for kind, user, subject, micros in Account.objects.filter(own).values_list("kind", "user", "subject", BALANCE):
            place = f"{kind}:{user}" if user else subject.replace("batch", "reserve") or kind
            here[place] = here.get(place, 0) + micros  # what is pending, over all days
        return {place: micros for place, micros in here.items() if micros}

    def _shared(self) -> dict[str, int]:
        return dict(Account.objects.filter(organisation=None, user=None, mode="test").values_list("kind", BALANCE))

    def refused_if(self, expected: type[Exception] | bool) -> AbstractContextManager[Any]:
        return pytest.raises(expected) if isinstance(expected, type) else nullcontext()

    def idle(self) -> list[Worker]:
        busy = {piece.worker for piece in self.pieces("leased")}
        return [worker for worker in self.workers if worker.user_id not in busy]

    def decided(self) -> list[Piece]:
        return self.pieces("rejected", "excluded")

    def workers_of(self) -> list[Worker]:
        """Those who handed something in."""
        handed_in = {piece.worker for piece in self.pieces("submitted", "accepted", "excluded", "rejected")}
        return [worker for worker in self.workers if worker.user_id in handed_in]

    def refundable(self) -> int:
        own = Prepayment.objects.filter(organisation=self.home, state=Prepayment.State.PAID)
        return sum(max(0, one.amount_micros - one.refunded_micros - one.disputed_micros) for one in own)

    def undisputed(self) -> list[Paid]:
        return [one for one in self.books.paid.values() if not one.disputed]

    def disputed(self) -> list[Dispute]:
        if all(one.disputed != "open" for one in self.books.paid.values()):
            return []
        return list(Dispute.objects.filter(prepayment__organisation=self.home, state="open").order_by("pk"))

    def earners(self) -> list[Worker]:
        return [worker for worker in self.workers if self.books.at[f"earnings:{worker.user_id}"]]

    def running(self) -> list[int]:
        return sorted(self.batches - self.books.closed)

    def end(self, pk: int) -> None:
        batches.close(Batch.objects.get(pk=pk), self.rita)
        self.books.closed.add(pk)

    def pieces(self, *states: str) -> list[Piece]:
        return [piece for piece in self.books.pieces.values() if piece.state in states]

    def proposed(self) -> list[tuple[tuple[int, int], Sheet]]:
        return [(of, sheet) for of, sheet in sorted(self.books.sheets.items()) if sheet.proposed_micros]

    def proposal(self, batch: int, user: int) -> TopUpProposal:
        return TopUpProposal.objects.get(batch=batch, worker__user=user, state=TopUpProposal.State.OPEN)

    def contestable(self) -> list[Piece]:
        return [piece for piece in self.pieces("rejected", "excluded") if not (piece.appeal or piece.is_final)]

    def contested(self) -> list[Piece]:
        return [piece for piece in self.pieces("rejected", "excluded") if piece.appeal == "open"]

    def leased(self, which: int) -> Assignment:
        return Assignment.objects.get(pk=one_of(sorted({piece.lease for piece in self.pieces("leased")}), which))

    def become(self, state: str, lease: Assignment) -> None:
        for piece in self.pieces("leased"):
            if piece.lease == lease.pk:
                piece.state = state

    def answer(self, piece: Piece) -> Answer:
        return Answer.objects.select_related("batch__project__organisation", "task", "worker").get(pk=piece.pk)

    def decision(self, piece: Piece) -> Decision:
        return Decision.objects.get(answer=piece.pk, state=Decision.State.STANDING)


def walk(seed: int, steps: int, *, a_walk: int = 100) -> int:
    """Go about so many steps, some to a walk, and say how many they were; the seed draws them all.

    raises  AssertionError, and prints the shortest walk that was found to go wrong
    """
    before = Walk.steps
    options = hypothesis.settings(
        max_examples=max(1, steps // a_walk),
        stateful_step_count=a_walk,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    with override_settings(MODE="test", PLAY_MONEY=False, FUNDING_HOLD_DAYS=HELD_DAYS):
        run_state_machine_as_test(hypothesis.seed(seed)(Walk), settings=options)
    return Walk.steps - before
