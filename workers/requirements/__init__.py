"""Who may work where: expressions over what workers have shown and stated; checked, asked as SQL, told in words."""

from workers.requirements.checking import check
from workers.requirements.compiling import compile
from workers.requirements.subjects import COMPARATORS, SUBJECTS
from workers.requirements.verbs import Line, describe, how_many, lines, meets, missing, qualifying, require

__all__ = [
    "COMPARATORS",
    "SUBJECTS",
    "Line",
    "check",
    "compile",
    "describe",
    "how_many",
    "lines",
    "meets",
    "missing",
    "qualifying",
    "require",
]
