"""Labels from a project's own aggregator: named by its managers, asked by a sweep, believed while the answers stay.

Nothing here waits for a network while it holds a lock or a transaction, and no task waits for an aggregator: until it
has answered, and wherever it does not, the label is the one that we make.
"""

from tasks.consolidations.calling import due, send
from tasks.consolidations.looking import look, outdated
from tasks.consolidations.naming import drop, name, of_project, renew, send_again
from tasks.consolidations.results import METHOD, VERSION, Failure, Figures, Labels, failures, figures, of, weigh
from tasks.consolidations.sampling import Sample, sample

__all__ = [
    "METHOD",
    "VERSION",
    "Failure",
    "Figures",
    "Labels",
    "Sample",
    "drop",
    "due",
    "failures",
    "figures",
    "look",
    "name",
    "of",
    "of_project",
    "outdated",
    "renew",
    "sample",
    "send",
    "send_again",
    "weigh",
]
