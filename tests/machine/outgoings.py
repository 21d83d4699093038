"""Money out: what is paid to workers and paid back, and what banks take back."""

from django.conf import settings
from hypothesis import strategies as st

from marketplace import accounts
from marketplace.core.errors import DomainError
from payments import disputes, payouts, refunds
from payments.models import Dispute, Payout, Prepayment, Refund
from tests.machine.books import Paid
from tests.machine.scene import CENT, Scene, Scripted
from tests.machine.verbs import one_of, outcomes, picks, when
from workers.models import Worker


class Outgoings(Scene):
    """What leaves, and what comes back of it."""

    # What is paid out and paid back

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

    # What stands where

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
