"""Gold that is wrong, clicked: a worker says so, the requester looks at it and decides."""

import pytest
from django.db import transaction

from tasks import gold_disputes, jobs
from tasks.models import Gold
from tests.browser.conftest import PASSWORD, People, Person
from tests.tasks import work


def signed_in(person: Person) -> Person:
    person.go("/accounts/login/")
    person.fill(login=person.email, password=PASSWORD)
    person.click("Sign in")
    person.page.wait_for_load_state()
    return person


@pytest.mark.django_db(transaction=True)
def test_wes_contests_a_known_answer_and_rita_overturns_it(people: People) -> None:
    batch = work.published(items=8, gold=8, gold_share=0.4, practice_size=2, page_size=4, target_confidence=0.5)
    for name in ("wes", "ann"):
        work.practise(work.worker(name), batch.project)
        work.work_all(work.worker(name), batch, "owl")
    jobs.grade()
    jobs.update_consensus()
    wes, rita = signed_in(people("Wes")), signed_in(people("Rita"))
    practised = Gold.objects.filter(purpose="practice", task__answers__worker=work.worker())[0]
    answer = work.worker().answers.select_related("assignment").get(task=practised.task_id)

    wes.go(f"/work/known-answers/{answer.public_id}/contest/")
    wes.look()
    wes.fill(statement="It is a cat, look at its ears.")
    wes.click("Send")
    wes.sees("You said")
    wes.look()
    wes.go(f"/work/reliability/{batch.project.public_id}/")
    wes.sees("Hidden checks")
    wes.look()

    with transaction.atomic():
        gold_disputes.quarantine(practised, "By the answers of good workers it is probably wrong.")
    rita.go(f"/projects/{batch.project.public_id}/")
    rita.follow("Gold")
    rita.sees("in doubt")
    rita.look()
    rita.follow("Look and decide")
    rita.follow("Look at gold 1")
    rita.sees("look at its ears")
    rita.look()
    rita.fill(reason="He is right.")
    rita.page.locator("input[name='t0-animal'][value='cat']").check()
    rita.click("It was wrong")
    rita.sees("Nobody's accuracy rests on it any more")
    rita.look()
    rita.go(f"/batches/{batch.public_id}/gold/")
    rita.look()
    rita.click("It is right for task 1")
    rita.sees("Confirmed.")
    name = batch.project.organisation.pseudonym(work.worker().public_id)
    rita.go(f"/projects/{batch.project.public_id}/workers/{name}/")
    rita.sees("Old answers count for less")
    rita.look()
    assert rita.complaints == wes.complaints == []
