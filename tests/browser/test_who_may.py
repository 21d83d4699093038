"""Who may work, clicked: Rita asks for a country and pays more for birds; Wes reads what is missing, and states it."""

import os

import pytest

from marketplace.models import Project
from tests import make
from tests.browser.conftest import PASSWORD, People, Person
from tests.tasks import work
from workers import groups, profiles, qualifications

pytestmark = pytest.mark.django_db(transaction=True)
SHOTS = os.environ.get("SHOTS")


def signed_in(person: Person) -> None:
    person.go("/accounts/login/")
    person.fill(login=person.email, password=PASSWORD)
    person.click("Sign in")
    person.page.wait_for_load_state()


def looks(person: Person, name: str) -> None:
    person.look()
    if SHOTS:
        person.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_rita_asks_for_a_country_and_wes_states_his(people: People) -> None:
    batch = work.published(items=6)
    project, worker = Project.objects.select_related("organisation").get(pk=batch.project_id), work.worker("wes")
    home, user = project.organisation, make.user("rita")
    name = profiles.introduce(worker, home)
    qualifications.define_credential(make.user("ada", staff=True), "Nurse", "Registered in some country.")
    rita, wes = people("Rita"), people("Wes")
    signed_in(rita)
    signed_in(wes)

    rita.go(f"/organisations/{home.public_id}/people/")
    rita.page.locator("#id_name").fill("Birds")
    rita.click("Make the qualification")
    rita.sees("“Birds” is made.")
    rita.fill(worker=name, score="0.9")
    rita.click("Grant it")
    rita.sees("Granted to 1.")
    looks(rita, "qualification")
    rita.follow("Qualifications and groups")
    looks(rita, "people")
    group = groups.found(home, user, "Our own people", "private")
    rita.go(f"/groups/{group.public_id}/")
    rita.fill(worker=name)
    rita.click("Put in")
    rita.fill(email="wes@example.org")
    rita.click("Send an invitation")
    rita.sees("A letter is on its way.")
    looks(rita, "group")

    rita.go(f"/projects/{project.public_id}/")
    rita.follow("Who may work")
    rita.click("Add a condition")
    rita.page.locator("[name='conditions-0-subject']").select_option("country")
    rita.page.locator("[name='conditions-0-comparator']").select_option("EqualTo")
    rita.fill(**{"conditions-0-value": "Germany"})
    rita.click("Save who may work")
    rita.sees("must be a code of ISO 3166")
    rita.fill(**{"conditions-0-value": "DE"})
    rita.click("Save who may work")
    rita.sees("You live in Germany.")
    rita.page.locator("[name='tier0-qualification']").select_option(label="Birds")
    rita.fill(**{"tier0-price_micros": "0.08"})
    rita.click("Save the prices")
    rita.sees("The prices are set")
    looks(rita, "requirement")

    wes.go("/work/")
    wes.sees("You do not qualify yet")
    looks(wes, "work")
    wes.go(f"/work/projects/{project.public_id}/")
    wes.sees("Say on your profile in which country you live.")
    looks(wes, "work_project")
    wes.follow("My qualifications")
    wes.click("Enter", exact=False)
    wes.page.locator("[name='country']").select_option("DE")
    wes.page.locator("[name='language0-code']").select_option("de")
    wes.click("Save")
    wes.sees("It is noted.")
    wes.page.locator("summary", has_text="Ask for it").click()
    wes.fill(statement="Registered as 123.")
    wes.click("Ask an admin")
    wes.sees("An admin will look at it")
    looks(wes, "my_qualifications")
    wes.go(f"/work/projects/{project.public_id}/")
    wes.click("Start working")
    wes.page.wait_for_url("**/work/assignments/**")
    assert rita.complaints == wes.complaints == []
