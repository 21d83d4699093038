"""Taught, tested, stopped on a wrong check, and given everything back: clicked by Wes and Rita."""

from datetime import timedelta

from django.db.models import F
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from payments.models import Account
from tasks import audit, decisions, rules
from tasks.models import Answer, Assignment, Gold
from tests import make
from tests.browser.conftest import People, sweep
from tests.browser.test_training import choose, signs_in
from tests.tasks import work
from workers.models import Reliability

TERMS = {
    **{"items": 12, "gold": 11, "practice_size": 2, "exam_size": 2, "exam_attempts": 2, "exam_pass_mark": 1.0},
    **{"gold_share": 0.5, "page_size": 5, "accept_after_s": 3600, "guideline": "# Look\n\nAt the ears."},
}
CONDITIONS = [
    {"figure": "total", "is": "GreaterThanOrEqualTo", "to": 3},
    {"figure": "correct_share", "is": "LessThan", "to": 0.5},
]


def test_wes_is_stopped_on_a_wrong_check_and_given_everything_back(people: People) -> None:
    batch = work.published(**TERMS)
    project, owner = batch.project, make.user("rita")
    rule = rules.draft(project, owner, "Missed checks", "gold", CONDITIONS, {"kind": "stop", "hours": 24})
    rules.try_on_past(rule, owner)
    rules.switch_on(rule, owner)
    here = f"/work/projects/{project.public_id}/"
    wes, rita = people("Wes"), people("Rita")
    signs_in(wes)
    wes.go(here)
    wes.look()
    wes.click("I have read version 1")

    # taught and tested: he fails, waits, and passes
    wes.click("Practise")
    for task in range(2):
        choose(wes, task, "cat")
        wes.click(f"Check task {task + 1}")
        wes.sees("You said “cat”; right is “owl”.")
    wes.follow("All tasks are checked: see how it went")
    wes.follow("What comes next")
    wes.click("Begin the exam")
    for task in range(2):
        choose(wes, task, "cat")
    wes.click("Hand in the exam")
    wes.sees("The next is possible from")
    times = {name: F(name) - timedelta(hours=2) for name in ("claimed_at", "submitted_at", "leased_until")}
    Assignment.objects.filter(purpose="exam").update(**times)  # two hours pass
    wes.go(here)
    wes.click("Begin the exam")
    for task in range(2):
        choose(wes, task, "owl")
    wes.click("Hand in the exam")
    wes.sees("You passed")

    # he works, misses three known answers, is stopped, and one of his answers is rejected for it
    wes.go(here)
    wes.click("Start working")
    for task in range(5):
        choose(wes, task, "cat")
    wes.click("Hand in the page")
    wes.sees("Answers taken: 5.")
    sweep()
    missed = Answer.objects.filter(to_grade=False, task__gold__purpose="hidden", attempt=0).order_by("pk")
    assert missed.count() == 3
    wrong = missed.select_related("batch", "task").first()
    decisions.reject(wrong, owner, "wrong", "It is an owl.")
    score = Reliability.objects.get().accuracy
    wes.go(here)
    wes.sees("A decision keeps you from this work")
    wes.look()
    wes.follow("Read why, and contest it")
    wes.sees("The checks it rests on")
    wes.look()
    wes.fill(statement="These are cats. Look at the ears.")
    wes.click("Contest the decision")
    wes.sees("Your appeal is with a person who did not make the decision.")
    wes.follow("The known answer is wrong (check 1)")
    wes.look()
    wes.fill(statement="It is a cat.")
    wes.click("Send")
    wes.sees("Those who asked look at it.")

    # Rita sees that it is contested, and overturns it
    signs_in(rita)
    rita.go(f"/projects/{project.public_id}/gold/")
    rita.look()
    (doubted,) = Gold.objects.filter(contested=1)
    rita.go(f"/gold/{doubted.public_id}/")
    rita.sees("It is a cat.")
    rita.look()
    rita.fill(reason="The ears are a cat's.")
    rita.click("It was wrong")
    rita.page.wait_for_load_state()
    for row in OrmQ.objects.order_by("pk"):  # what that enqueued
        import_string(row.task["func"])(*row.task["args"])
        row.delete()
    sweep()

    # score, access and pay are back
    wes.go("/work/decisions/")
    wes.sees("Undone")
    wes.look()
    assert Reliability.objects.get().accuracy > score
    wes.go(here)
    wes.click("Start working")
    wes.sees("min left")
    Answer.objects.filter(state="submitted").update(accept_at=F("submitted_at"))
    sweep()
    wes.go("/earnings/")
    wes.look()
    paid = Answer.objects.filter(attempt=0, entry__isnull=False)
    assert wrong.pk in paid.values_list("pk", flat=True)
    assert Account.objects.get(kind="earnings").balance_micros == paid.count() * 50_000
    assert wes.complaints == rita.complaints == []
    assert audit.check() == []
