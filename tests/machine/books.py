"""The model: where every micro should be, and what each answer may still come to cost."""

from collections import Counter
from dataclasses import dataclass, field

PRICE_MICROS, FEE_MICROS, FEE_BP = 70_007, 7_000, 1_000  # a price whose fee is rounded down
EACH_MICROS = PRICE_MICROS + FEE_MICROS


@dataclass
class Piece:
    """One answer that was given out, and what became of it."""

    pk: int
    batch: int
    worker: int
    lease: int
    state: str = "leased"  # as Answer.State
    is_settled: bool = False
    appeal: str = ""  # "", open, upheld, dismissed
    is_final: bool = False  # a rejection that nobody can contest any more

    @property
    def owed_micros(self) -> int:
        """What it may still take out of its reserve."""
        waits = self.state in ("leased", "submitted")
        unpaid = self.state in ("accepted", "excluded") and not self.is_settled
        contestable = self.state == "rejected" and (self.appeal == "open" or not (self.is_final or self.appeal))
        return EACH_MICROS if waits or unpaid or contestable else 0


@dataclass
class Books:
    """Double entry in a dictionary: what is moved leaves one place and comes to another."""

    at: Counter[str] = field(default_factory=Counter)
    pieces: dict[int, Piece] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)

    def move(self, debit: str, credit: str, micros: int) -> None:
        self.at[debit] -= micros
        self.at[credit] += micros

    def of(self, batch: int) -> list[Piece]:
        return [piece for piece in self.pieces.values() if piece.batch == batch]

    def owed_micros(self, batch: int) -> int:
        return sum(piece.owed_micros for piece in self.of(batch))

    def settle(self) -> None:
        """Pay what is accepted or excluded, once."""
        for piece in self.pieces.values():
            if piece.state in ("accepted", "excluded") and not piece.is_settled:
                piece.is_settled = True
                self.move(f"reserve:{piece.batch}", f"earnings:{piece.worker}", PRICE_MICROS)
                self.move(f"reserve:{piece.batch}", "fees", FEE_MICROS)

    def give_back_rest(self) -> None:
        """Return what closed batches can no longer come to owe."""
        for batch in self.closed:
            self.move(f"reserve:{batch}", "prepaid", self.at[f"reserve:{batch}"] - self.owed_micros(batch))
