"""Money in: what is prepaid, when it comes, and when what it pays for may leave."""

from datetime import timedelta

from django.db.models import F
from hypothesis import strategies as st

from marketplace.core import clock
from payments import maturities, prepayments
from payments.models import Prepayment
from tests.machine.scene import CENT, HELD_DAYS, Scene, Scripted
from tests.machine.verbs import always, one_of, picks, when


class Funding(Scene):
    """What a requester pays in."""

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
