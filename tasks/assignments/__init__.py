"""The lease: claim a page of tasks, keep it, hand it in, give it back, or let it expire."""

from tasks.assignments.claiming import claim
from tasks.assignments.handing_in import submit
from tasks.assignments.keeping import expire, give_back, keep_draft, pages, price_micros, renew, seats_of, skip

__all__ = [
    "claim",
    "expire",
    "give_back",
    "keep_draft",
    "pages",
    "price_micros",
    "renew",
    "seats_of",
    "skip",
    "submit",
]
