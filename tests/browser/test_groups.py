"""What a worker says of themself, who answers how, and labels to look at; with SHOTS=folder, a picture of each."""

import os
from pathlib import Path

import pytest

from tests import make
from tests.browser.conftest import PHONE
from tests.tasks.groups import answered, asked, two_groups
from tests.tasks.test_bias import apart
from tests.tasks.test_suspects import items, labelled, plant, truly

pytestmark = pytest.mark.django_db(transaction=True)
NARROW = {"width": 360, "height": 740}


def signs_in(person):
    person.go("/accounts/login/")
    person.fill(login=person.email, password=make.PASSWORD)
    person.click("Sign in")
    person.page.wait_for_load_state()


def looks(person, name):
    person.look()
    person.page.set_viewport_size(NARROW)
    wide = person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{name} scrolls sideways at 360 px"
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(exist_ok=True)
        person.page.screenshot(path=f"{folder}/{name}-phone.png", full_page=True)
        person.page.set_viewport_size({"width": 1000, "height": 800})
        person.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    person.page.set_viewport_size(PHONE)


def test_wes_says_something_of_himself_and_takes_it_back(people):
    make.user("wes")
    wes = people("wes")
    signs_in(wes)
    wes.go("/work/qualifications/")
    wes.follow("About me")
    wes.page.get_by_label("How old are you?").select_option("25 to 34")
    wes.click("Save")
    wes.sees("only if you agree")
    wes.page.get_by_label("I agree").check()
    wes.click("Save")
    wes.sees("It is saved.")
    looks(wes, "about-me")
    wes.click("Delete all I said here")
    wes.sees("All of it is deleted.")
    assert wes.page.get_by_label("How old are you?").input_value() == ""
    wes.look()


def test_rita_reads_who_answers_how(people):
    batch = asked(26)
    answered(batch, two_groups(12, 14), apart)
    rita = people("rita")
    signs_in(rita)
    rita.go(f"/projects/{batch.project.public_id}/")
    rita.follow("Who answers how")
    rita.sees("answers differently")
    looks(rita, "who-answers-how")


def test_rita_looks_at_labels(people):
    first = labelled(["meow", *items(24)], lambda n, text: "cat" if text == "meow" else truly(n, text))
    batch = labelled(
        ["meow", *items(24, "bb")], lambda n, text: "dog" if text == "meow" else "owl", project=first.project
    )
    plant(batch, "bbxxx", 0)
    rita = people("rita")
    signs_in(rita)
    rita.go(f"/projects/{batch.project.public_id}/")
    rita.follow("Labels to look at")
    rita.sees("the same, or nearly")
    looks(rita, "labels-to-look-at")
