"""What practice and exam ask of a worker: how many tasks, how long, and what for."""

from dataclasses import dataclass

from django.conf import settings

from marketplace.models import Project
from tasks import pace
from tasks.training import course


@dataclass(frozen=True)
class Effort:
    """A practice or an exam before it is begun."""

    kind: str  # practice or exam
    items: int
    expected_s: int
    is_measured: bool  # how long a task takes: measured, or what the requester expects
    price_micros: int  # of the whole; 0: unpaid
    time_limit_s: int | None  # None: it is not a test


def efforts(project: Project) -> list[Effort]:
    """What there is to do before paid work, as offered now."""
    a_task_s, is_measured = pace.expected(project)
    found = []
    if practice := course.latest_with(project, "practice_size"):
        items = practice.practice_size
        found.append(Effort("practice", items, round(items * a_task_s), is_measured, 0, None))
    if exam := course.latest_with(project, "exam_size"):
        items, price_micros = exam.exam_size, exam.exam_price_micros
        found.append(Effort("exam", items, round(items * a_task_s), is_measured, price_micros, exam.exam_s))
    return found


def problems(project: Project) -> list[str]:
    """Why what workers have to do unpaid is too long, in words for the requester, with the figures."""
    unpaid = {"practice": project.practice_size}
    if not project.exam_price_micros:
        unpaid["exam"] = project.exam_size
    a_task_s, is_measured = pace.expected(project)
    took_s = sum(unpaid.values()) * a_task_s
    if took_s <= settings.UNPAID_TEST_S:
        return []
    asked = " and ".join(f"the {name} ({items} tasks)" for name, items in unpaid.items() if items)
    how = f"{a_task_s:.0f} s a task, {'as measured' if is_measured else 'as you expect'}"
    advice = "ask fewer tasks, or pay the exam" if unpaid.get("exam") else "ask fewer tasks"
    return [
        f"{asked} would take {took_s:.0f} s of unpaid time ({how}), and at most {settings.UNPAID_TEST_S} s may be "
        f"unpaid: {advice}"
    ]
