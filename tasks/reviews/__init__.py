"""Review: a person looks at a label, accepts or corrects it, or asks for another answer.

A label needs one first look or two (`review_verdicts`); where two differ, and where a verdict is looked at again, the
second tier decides: another person, a manager or an owner. Nobody reviews what they or their kin answered. The verdict
that is final is the label, and is evidence about every answer that counts.

Whoever changes a decided review, or decides one, holds the row of its batch first.
"""

from tasks.reviews.asking import ASK_MOST, after_settling, ask, contest, doubt, named, supersede
from tasks.reviews.deciding import decide
from tasks.reviews.figures import Figures, Progress, of, progress
from tasks.reviews.rows import correctable
from tasks.reviews.showing import Case, case
from tasks.reviews.taking import expire, next_for, pass_on
from tasks.reviews.verdicts import Verdict, verdicts

__all__ = [
    "ASK_MOST",
    "Case",
    "Figures",
    "Progress",
    "Verdict",
    "after_settling",
    "ask",
    "case",
    "contest",
    "correctable",
    "decide",
    "doubt",
    "expire",
    "named",
    "next_for",
    "of",
    "pass_on",
    "progress",
    "supersede",
    "verdicts",
]
