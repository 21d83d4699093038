"""How reviewing goes: what waits, and how often reviewers changed a label."""

from dataclasses import dataclass

from django.db.models import Count

from marketplace.models import Project, User
from tasks.models import Review
from tasks.reviews import taking
from workers import scoring

COUNTED_MOST = 10_000


@dataclass(frozen=True)
class Figures:
    """What became of the reviews for one reason, or of all.

    reason     or empty: of all
    corrected  of the verdicts that are final
    p05, p95   the range the share of labels that reviewers change lies in with 90 % probability; None: nothing is known
    """

    reason: str
    waiting: int
    accepted: int
    corrected: int
    sent_back: int
    p05: float | None
    p95: float | None

    @property
    def final(self) -> int:
        return self.accepted + self.corrected

    @property
    def share(self) -> float | None:
        return self.corrected / self.final if self.final else None

    @property
    def title(self) -> str:
        return Review.Reason(self.reason).label if self.reason else "All together"


@dataclass(frozen=True)
class Progress:
    """How far it has come, as one person sees it; both counted up to COUNTED_MOST.

    for_you  waiting, and this person may look at it
    """

    waiting: int
    for_you: int
    all: int


def of(project: Project) -> list[Figures]:
    """The figures of each reason for which anything was looked at, and then of all; empty where nothing was."""
    rows = Review.objects.filter(project=project).exclude(state=Review.State.VOID).order_by()
    counts: dict[str, dict[str, int]] = {}
    for reason, state, verdict, n in rows.values_list("reason", "state", "verdict").annotate(n=Count("pk")):
        told = _told(state, verdict)
        if told:
            for key in (reason, ""):
                counts.setdefault(key, {})
                counts[key][told] = counts[key].get(told, 0) + n
    return [_figures(reason, counts[reason]) for reason in [*Review.Reason.values, ""] if reason in counts]


def progress(project: Project, by: User) -> Progress:
    every = Review.objects.filter(project=project)
    return Progress(
        waiting=every.unfinished()[:COUNTED_MOST].count(),
        for_you=taking.open_to(project, by)[:COUNTED_MOST].count(),
        all=every.exclude(state=Review.State.VOID)[:COUNTED_MOST].count(),
    )


def _told(state: str, verdict: str) -> str:
    if state in (Review.State.WAITING, Review.State.HELD):
        return "waiting"
    if state == Review.State.SENT_BACK:
        return "sent_back"
    if state == Review.State.FINAL:
        return "accepted" if verdict == Review.Verdict.ACCEPT else "corrected"
    return ""  # one of several: the final one tells


def _figures(reason: str, counts: dict[str, int]) -> Figures:
    accepted, corrected = counts.get("accepted", 0), counts.get("corrected", 0)
    low, high = scoring.interval(corrected, accepted + corrected) if accepted + corrected else (None, None)
    return Figures(reason, counts.get("waiting", 0), accepted, corrected, counts.get("sent_back", 0), p05=low, p95=high)
