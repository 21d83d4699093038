"""Being taught, clicked: lessons, practice that answers back, an exam, a session with a trainer."""

import pytest

from marketplace import lessons
from tasks.models import Gold
from tests import make
from tests.browser.conftest import PASSWORD, People, Person
from tests.tasks import work

TERMS = {"gold": 12, "practice_size": 2, "exam_size": 2, "exam_attempts": 2, "exam_pass_mark": 1.0, "gold_share": 0.0}


def signs_in(person: Person) -> None:
    make.user(person.name.lower())
    person.go("/accounts/login/")
    person.fill(login=person.email, password=PASSWORD)
    person.click("Sign in")
    person.page.wait_for_load_state()


def choose(person: Person, task: int, animal: str) -> None:
    person.page.locator(f"[name='t{task}-animal'][value='{animal}']").check()


@pytest.mark.parametrize("scripts", [True, False])
def test_wes_learns_and_is_examined(people: People, scripts: bool) -> None:
    batch = work.published(**TERMS)
    Gold.objects.update(explanation="Owls turn their heads.")
    lessons.write(batch.project, make.user("rita"), "Owls", "# Eyes\n\nThey look ahead.")
    wes = people("Wes", scripts=scripts)
    signs_in(wes)
    wes.go(f"/work/projects/{batch.project.public_id}/")
    wes.sees("Before paid work")
    wes.look()
    wes.follow("Read “Owls”")
    wes.look()
    wes.click("I have read it, go on")
    wes.click("Practise")
    wes.look()
    choose(wes, 0, "cat")
    wes.click("Check task 1")
    wes.sees("You said “cat”; right is “owl”.")
    wes.sees("Owls turn their heads.")
    wes.look()
    choose(wes, 1, "owl")
    wes.click("Check task 2")
    if scripts:
        wes.sees("All tasks are checked")
        wes.look()
        wes.follow("All tasks are checked: see how it went")
    wes.sees("You went through the practice")
    wes.look()
    wes.follow("What comes next")
    wes.look()
    wes.click("Begin the exam")
    wes.look()
    choose(wes, 0, "owl")
    choose(wes, 1, "cat")
    wes.click("Hand in the exam")
    wes.sees("50 % right")
    wes.sees("The next is possible from")
    wes.look()
    wes.follow("Animals")
    wes.sees("Practise until then")
    wes.look()


def test_rita_leads_a_session(people: People) -> None:
    batch = work.published(**TERMS)
    rita, wes = people("Rita"), people("Wes")
    signs_in(rita)
    rita.go(f"/projects/{batch.project.public_id}/")
    rita.follow("Training")
    rita.look()
    rita.follow("Write lessons")
    rita.fill(title="Owls", text="They look ahead.")
    rita.click("Add the lesson")
    rita.sees("The lesson is added")
    rita.look()
    rita.follow("Animals")
    rita.follow("Training")
    rita.fill(title="Owls together", begins_at="2030-01-01T10:00", ends_at="2030-01-01T11:00", items="2")
    rita.click("Plan the session")
    rita.look()
    signs_in(wes)
    wes.go("/work/")
    wes.follow("Sessions")
    wes.look()
    wes.follow("Owls together")
    wes.sees("It begins on")
    wes.look()
    rita.click("Begin")
    wes.click("Join")  # the page notices by itself
    choose(wes, 0, "cat")
    wes.click("Answer")
    wes.sees("You said: cat")
    rita.sees("1 has answered")
    rita.look()
    rita.fill(remark="Look at the eyes.")
    rita.click("Show what is right")
    wes.sees("The trainer says:")
    wes.look()
    rita.click("Next item")
    wes.sees("Item 2 of 2")
    rita.click("Show what is right")
    rita.click("End the session")
    wes.sees("Thank you for coming")
    rita.look()
    assert rita.complaints == wes.complaints == []
