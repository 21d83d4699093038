"""Work: what is published, done, decided, given on top and settled, and what a batch returns."""

from datetime import timedelta

from hypothesis import strategies as st

from marketplace.core import clock
from marketplace.core.errors import Conflict, DomainError, Forbidden, IllegalMove, InsufficientFunds
from tasks import appeals, assignments, batches, bonuses, budgets, decisions, fair_pay, settlement
from tasks.models import Answer, Appeal, Assignment, Batch, Decision, PayFigures, TimeSheet, TopUpProposal
from tests.machine.books import EACH_MICROS, FEE_BP, PRICE_MICROS, TOP_UP_PERCENT, Piece, Sheet
from tests.machine.scene import CENT, ITEMS, NUMBERS, REDUNDANCY, Scene
from tests.machine.verbs import one_of, picks, when
from tests.tasks import work
from workers.models import Worker

LINE_MICROS = ITEMS * REDUNDANCY * PRICE_MICROS * TOP_UP_PERCENT // 100  # of a batch, for top-ups
# Figures by which all are under the floor
MEASURED = {"workers": 5, "median_micros": 0, "spread": [0] * 11, "task_s": 1e6}
TAKEN_OUT = {"reject": "rejected", "exclude": "excluded"}


class Labour(Scene):
    """What becomes of batches and of those who work on them."""

    # What is given out and handed in

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
        self.books.hand_in(lease.batch_id, lease.worker.user_id, lease.answers.count(), seconds)

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

    @when(lambda walk: walk.books.pages)
    def note_pages(self) -> None:
        while fair_pay.note_pages():
            pass
        self.books.note_pages()

    @when(lambda walk: any(sheet.missing_micros for sheet in walk.books.sheets.values()))
    def top_up(self) -> None:
        """Hold everybody's pay against the floor, as the sweeps do; what an hour pays, other tests measure."""
        self.note_pages()
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

    # What stands where

    def idle(self) -> list[Worker]:
        busy = {piece.worker for piece in self.pieces("leased")}
        return [worker for worker in self.workers if worker.user_id not in busy]

    def decided(self) -> list[Piece]:
        return self.pieces("rejected", "excluded")

    def workers_of(self) -> list[Worker]:
        """Those who handed something in."""
        handed_in = {piece.worker for piece in self.pieces("submitted", "accepted", "excluded", "rejected")}
        return [worker for worker in self.workers if worker.user_id in handed_in]

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
