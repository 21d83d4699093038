"""How the known items of a batch are shared out: to practise on, to be examined by, and hidden in the work."""

from dataclasses import dataclass

from marketplace.models import Project
from tasks.models import Batch, Gold


@dataclass(frozen=True)
class Pools:
    """Known items for each purpose; what an item was used for once it is used for nothing else."""

    practice: int
    exam: int
    hidden: int


def share(terms: Project | Batch, gold: int) -> Pools:
    """So many known items by these terms: exams come first, since without their pool nobody could sit one.

    Practice takes two draws' worth, the rest is hidden in the work; where nothing is hidden, what is left over makes
    the exams differ more, or else the practice.
    """
    wanted = min(exam_least(terms), max(0, gold - terms.practice_size))
    left = gold - wanted
    practice = min(left, 2 * terms.practice_size)
    rest = left - practice
    if terms.gold_share:
        return Pools(practice, wanted, rest)
    if terms.exam_size:
        return Pools(practice, wanted + rest, 0)
    return Pools(left if terms.practice_size else 0, 0, 0 if terms.practice_size else rest)


def exam_least(terms: Project | Batch) -> int:
    """Known items that exams need: nobody is asked one twice in all their tries, and two people rarely the same."""
    return terms.exam_size * max(2, terms.exam_attempts)


def problems(project: Project, gold: int) -> list[str]:
    """Why so many known items are too few, in words for the requester."""
    if not project.exam_size:
        size = project.practice_size
        return [f"the practice wants {size} items with a known truth, the dataset has {gold}"] if size > gold else []
    exam = exam_least(project)
    wanted = exam + project.practice_size
    found = []
    if wanted > gold:
        practice = f" and the practice {project.practice_size}" if project.practice_size else ""
        found.append(
            f"the exam wants {exam} items with a known truth of its own ({project.exam_size} for each of "
            f"{max(2, project.exam_attempts)} draws, so that nobody is asked the same one twice){practice}: {wanted} "
            f"in all, the dataset has {gold}"
        )
    if project.exam_price_micros and not project.exam_paid_most:
        found.append("the exam is paid, so say how many exams are bought at most")
    if 0 < project.exam_price_micros < project.exam_size:
        found.append(f"the price of the exam must be at least {project.exam_size} micros, one for each task")
    return found


def choose(batch: Batch) -> None:
    """Set known items apart for practice and exam, at random; they are never hidden in work."""
    gold = Gold.objects.filter(batch=batch)
    shared = share(batch, gold.count())
    if shared.practice or shared.exam:
        drawn = list(gold.order_by("draw").values_list("pk", flat=True)[: shared.exam + shared.practice])
        Gold.objects.filter(pk__in=drawn[: shared.exam]).update(purpose=Gold.Purpose.EXAM)
        Gold.objects.filter(pk__in=drawn[shared.exam :]).update(purpose=Gold.Purpose.PRACTICE)
