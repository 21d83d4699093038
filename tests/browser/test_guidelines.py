"""A guideline clicked: written, read, changed, read again; where people disagree, and what is asked again."""

import pytest

from marketplace.models import Project
from tasks import consensus
from tasks.models import Answer, Batch
from tests import make
from tests.browser.conftest import People, Person
from tests.conftest import signed_in
from tests.tasks import work
from workers import guidelines as read

TEXT = "Look at the whole text.\n\n# Cats\n\nA cat meows.\n\n# Owls\n\nAn owl says hoo at night.\n"


def comes_in(person: Person, name: str, address: str) -> Person:
    cookies = signed_in(make.user(name)).cookies
    person.page.context.add_cookies([{"name": "sessionid", "value": cookies["sessionid"].value, "url": address}])
    return person


@pytest.mark.parametrize("scripts", [True, False])
def test_a_guideline_is_written_read_changed_and_read_again(people: People, scripts: bool) -> None:
    batch = work.published(items=6, redundancy_min=2, redundancy_max=3, page_size=6, guideline="Look.")
    rita = comes_in(people("Rita", scripts=scripts), "rita", people.address)
    wes = comes_in(people("Wes", scripts=scripts), "wes", people.address)
    _rita_writes(rita, batch.project)
    _wes_reads_and_works(wes, batch.project)
    _rita_changes(rita)
    _wes_reads_again(wes, batch.project)
    _rita_asks_again(rita, batch)
    assert rita.complaints == wes.complaints == []


def _rita_writes(rita: Person, project: Project) -> None:
    rita.go(f"/projects/{project.public_id}/")
    rita.follow("Guideline")
    rita.look()
    rita.follow("Write the next version")
    rita.fill(text=TEXT)
    rita.click("Add an example")
    rita.click("Add an example")
    for number, (shown, answer, why) in enumerate([("meow", "cat", "It meows."), ("hoo", "cat", "")]):
        rita.fill(**{f"examples-{number}-column_0": shown, f"examples-{number}-explanation": why})
        rita.page.locator(f"[name='examples-{number}-answer_animal'][value='{answer}']").check()
    rita.page.locator("[name='examples-1-kind']").select_option("counterexample")
    rita.look()
    rita.click("Publish version 2")
    rita.sees("must have 1 to 2000 characters")
    rita.look()
    rita.fill(**{"examples-1-explanation": "Cats do not say hoo: it is an owl."})
    rita.click("Preview")
    rita.sees("As workers will see it")
    rita.look()
    rita.click("Publish version 2")
    rita.sees("Version 2 is published.")
    rita.look()


def _wes_reads_and_works(wes: Person, project: Project) -> None:
    wes.go(f"/work/projects/{project.public_id}/")
    wes.sees("A common mistake 2")
    wes.look()
    wes.click("I have read version 2")
    wes.click("Start working")
    wes.page.locator("details.guideline summary").click()
    wes.sees("Cats do not say hoo")
    wes.look()
    for one in wes.page.locator("input[type=radio][value=cat]").all():
        one.check()
    wes.click("Hand in the page")


def _rita_changes(rita: Person) -> None:
    rita.follow("Write the next version")
    rita.fill(text=TEXT.replace("meows", "purrs"))
    rita.page.locator("[name='examples-0-DELETE']").check()
    rita.click("Publish version 3")
    rita.page.get_by_role("link", name="What changed in version 3").click()
    rita.sees("From version 2 to version 3")
    rita.look()


def _wes_reads_again(wes: Person, project: Project) -> None:
    wes.go(f"/work/projects/{project.public_id}/")
    wes.sees("you have read version 2, and this is version 3")
    wes.look()
    wes.click("I have read version 3")


def _rita_asks_again(rita: Person, batch: Batch) -> None:
    ann = work.worker("ann")
    read.acknowledge(ann, batch.project, 3)
    lease = work.assignments.claim(ann, batch.project)
    work.answer(lease, "cat", "cat", "dog", "owl")
    for answer in Answer.objects.filter(worker=ann):  # as if under the version before
        type(lease).objects.filter(pk=answer.assignment_id).update(guideline_version=2)
    consensus.update(batch)
    rita.follow("Guideline of Animals")
    rita.follow("Agreement")
    rita.sees("Under version 2 of the guideline")
    rita.look()
    rita.follow("Animals")
    rita.follow("Guideline")
    rita.follow("Ask again what is labelled wrongly")
    rita.look()
    rita.click("Show what it touches")
    rita.sees("What it touches")
    rita.look()
    rita.page.get_by_role("button", name="again").click()
    rita.sees("asked again")
    rita.look()
