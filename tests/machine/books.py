"""The model: where every micro should be, and what each answer may still come to cost."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

PRICE_MICROS, FEE_MICROS, FEE_BP = 70_007, 7_000, 1_000  # a price whose fee is rounded down
EACH_MICROS = PRICE_MICROS + FEE_MICROS
FLOOR_MICROS, TOP_UP_PERCENT = 36_000_000, 50  # an hour; of the prices, what is added without asking
PROPOSED_LEAST_MICROS = 10_000


@dataclass
class Piece:
    """One answer that was given out, and what became of it."""

    pk: int
    batch: int
    worker: int
    lease: int
    state: str = "leased"  # as Answer.State
    price_micros: int = PRICE_MICROS  # of it, what is paid when it settles
    is_settled: bool = False
    appeal: str = ""  # "", open, dismissed
    is_final: bool = False  # nobody can contest it any more
    withheld_micros: int = 0  # of the price, by a decision that stands

    @property
    def fee_micros(self) -> int:
        return self.price_micros * FEE_BP // 10_000

    @property
    def rest_micros(self) -> int:
        """What is withheld, with its part of the fee."""
        return EACH_MICROS - self.price_micros - self.fee_micros if self.withheld_micros else 0

    @property
    def is_kept(self) -> bool:
        """Whether what was decided can still be contested, so that its money is kept."""
        return self.appeal == "open" or not (self.is_final or self.appeal)

    @property
    def owed_micros(self) -> int:
        """What it may still take out of its reserve."""
        waits = self.state in ("leased", "submitted")
        unpaid = self.state in ("accepted", "excluded") and not self.is_settled
        contestable = self.state == "rejected" and self.is_kept
        own = self.price_micros + self.fee_micros if waits or unpaid or contestable else 0
        return own + (self.rest_micros if self.is_kept else 0)


@dataclass
class Paid:
    """A prepayment that came, and whether what it pays for may leave."""

    pk: int
    micros: int
    waits: bool  # what is earned is pending
    is_old: bool = False  # it has stood for as long as others would have to wait
    disputed: str = ""  # "", open, won, lost
    refunded_micros: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether none of it went back."""
        return self.disputed not in ("open", "lost") and not self.refunded_micros


@dataclass
class Sheet:
    """The time one worker gave to one batch, and what it paid."""

    answers: int = 0
    seconds: int = 0
    paid: int = 0
    paid_micros: int = 0
    topped_micros: int = 0
    granted_micros: int = 0
    declined_micros: int = 0
    proposed_micros: int = 0  # that waits for a person

    @property
    def missing_micros(self) -> int:
        """To the floor, for the time of the answers that were paid."""
        if not self.paid or not self.answers:
            return 0
        seconds = self.seconds * min(self.paid, self.answers) // self.answers
        return max(0, -(-FLOOR_MICROS * seconds // 3600) - self.paid_micros - self.topped_micros)

    def unasked_micros(self, line_micros: int) -> int:
        """Of what is missing, what is added without asking, out of what is left of the line."""
        cap = self.paid_micros * TOP_UP_PERCENT // 100 - (self.topped_micros - self.granted_micros)
        return max(0, min(self.missing_micros, cap, line_micros))


@dataclass
class Books:
    """Double entry in a dictionary: what is moved leaves one place and comes to another."""

    at: Counter[str] = field(default_factory=Counter)
    pieces: dict[int, Piece] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    asked: dict[int, int] = field(default_factory=dict)  # prepayments that did not come yet
    paid: dict[int, Paid] = field(default_factory=dict)
    sheets: dict[tuple[int, int], Sheet] = field(default_factory=lambda: defaultdict(Sheet))  # by batch and worker
    pages: list[tuple[Sheet, int, int]] = field(default_factory=list)  # answers and seconds that are on no sheet yet
    lines: dict[int, int] = field(default_factory=dict)  # what each batch has left for top-ups

    def move(self, debit: str, credit: str, micros: int) -> None:
        self.at[debit] -= micros
        self.at[credit] += micros

    def of(self, batch: int) -> list[Piece]:
        return [piece for piece in self.pieces.values() if piece.batch == batch]

    def owed_micros(self, batch: int) -> int:
        return sum(piece.owed_micros for piece in self.of(batch))

    def hand_in(self, batch: int, worker: int, answers: int, seconds: int) -> None:
        """A page; its time counts from when a sweep has noted it."""
        self.pages.append((self.sheets[batch, worker], answers, seconds))

    def note_pages(self) -> None:
        for sheet, answers, seconds in self.pages:
            sheet.answers, sheet.seconds = sheet.answers + answers, sheet.seconds + seconds
        self.pages.clear()

    def settle(self) -> None:
        """Pay what is accepted or excluded, once."""
        for piece in self.pieces.values():
            if piece.state in ("accepted", "excluded") and not piece.is_settled:
                piece.is_settled = True
                self.earn(piece.batch, piece.worker, piece.price_micros, piece.fee_micros)
                sheet = self.sheets[piece.batch, piece.worker]
                sheet.paid, sheet.paid_micros = sheet.paid + 1, sheet.paid_micros + piece.price_micros

    def credit(self, prepayment: int) -> None:
        """It came; who is proven by one that stood long enough waits no more."""
        micros = self.asked.pop(prepayment)
        is_proven = any(one.is_old and one.is_whole for one in self.paid.values())
        self.paid[prepayment] = Paid(prepayment, micros, not is_proven)
        self.move("outside", "prepaid", micros)

    def earn(self, batch: int, worker: int, micros: int, fee_micros: int) -> None:
        waits = any(one.waits for one in self.paid.values())
        self.move(f"reserve:{batch}", f"{'pending' if waits else 'earnings'}:{worker}", micros)
        self.move(f"reserve:{batch}", "fees", fee_micros)

    def top_up(self, batch: int) -> None:
        """Add what is missing to the floor, worker by worker, and propose the rest."""
        for (of, worker), sheet in sorted(self.sheets.items()):
            if of == batch:
                added = sheet.unasked_micros(self.lines[batch])
                rest = sheet.missing_micros - added - sheet.declined_micros
                sheet.proposed_micros = rest if rest >= PROPOSED_LEAST_MICROS else 0
                sheet.topped_micros += added
                self.lines[batch] -= added
                self.earn(batch, worker, added, 0)

    def mature(self) -> None:
        """What is pending may be paid out, but while a bank decides."""
        if not any(one.disputed == "open" for one in self.paid.values()):
            for place in [place for place in self.at if place.startswith("pending:")]:
                self.move(place, place.replace("pending", "earnings"), self.at[place])

    def put_back(self, piece: Piece) -> None:
        """Undo what was decided about it: all of its price is owed, what was withheld is paid at once."""
        taken = EACH_MICROS if piece.state == "rejected" else piece.rest_micros
        if taken and not piece.is_kept:
            self.move("prepaid", f"reserve:{piece.batch}", taken)
        if piece.withheld_micros:
            self.earn(piece.batch, piece.worker, piece.withheld_micros, piece.rest_micros - piece.withheld_micros)
            self.sheets[piece.batch, piece.worker].paid_micros += piece.withheld_micros
        piece.state, piece.appeal, piece.is_final, piece.withheld_micros = "accepted", "", False, 0

    def give_back_rest(self) -> None:
        """Return what closed batches can no longer come to owe, and of those that owe nothing the line of top-ups."""
        for batch in self.closed:
            owed = self.owed_micros(batch)
            self.lines[batch] = self.lines[batch] if owed else 0
            kept = owed + self.lines[batch]
            self.move(f"reserve:{batch}", "prepaid", self.at[f"reserve:{batch}"] - kept)
