"""What an hour of work pays: the time it takes, the floor it is held against, and what is added where it pays less."""

from tasks.fair_pay.figures import Pay, look, of, of_many, offered_to, outdated, told
from tasks.fair_pay.floors import operators
from tasks.fair_pay.sheets import note_pages, note_paid, note_reading, note_rejected, note_restored
from tasks.fair_pay.top_ups import country_of, decline, due, grant, is_done, kept_micros, line_micros, top_up

__all__ = [
    "Pay",
    "country_of",
    "decline",
    "due",
    "grant",
    "is_done",
    "kept_micros",
    "line_micros",
    "look",
    "note_pages",
    "note_paid",
    "note_reading",
    "note_rejected",
    "note_restored",
    "of",
    "of_many",
    "offered_to",
    "operators",
    "outdated",
    "told",
    "top_up",
]
