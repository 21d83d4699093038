import os
from pathlib import Path

import pytest

from tasks.models import Rule
from tests import make
from tests.browser.conftest import PHONE
from tests.tasks import work
from tests.tasks.ruled import batch, checked, sweep

pytestmark = pytest.mark.django_db(transaction=True)


def signs_in(person):
    person.go("/accounts/login/")
    person.fill(login=person.email, password=make.PASSWORD)
    person.click("Sign in")
    person.page.wait_for_load_state()


def shot(person, name):
    if folder := os.environ.get("SHOTS"):
        Path(folder).mkdir(exist_ok=True)
        person.page.screenshot(path=f"{folder}/{name}.png", full_page=True)
        person.page.set_viewport_size({**PHONE, "width": 360})
        person.page.screenshot(path=f"{folder}/{name}-phone.png", full_page=True)


def test_rita_writes_a_rule_tries_it_and_wes_reads_it(people):
    here = batch(items=30, redundancy_min=6, redundancy_max=8)
    for number, marks in enumerate(["000100", "101111", "111111", "110100", "111101", "010000", "111111"]):
        checked(work.worker(f"worker{number}"), here, *map(float, marks))
    rita = people("Rita")
    signs_in(rita)
    rita.go(f"/projects/{here.project.public_id}/")
    rita.follow("Rules")
    rita.look()
    rita.follow("Write a rule")
    rita.look()
    rita.fill(name="Missed checks", to0="1.5", to1="4")
    rita.page.select_option("[name=figure0]", "correct_share")
    rita.page.select_option("[name=figure1]", "total")
    rita.page.select_option("[name=is1]", "GreaterThanOrEqualTo")
    shot(rita, "write")
    rita.click("Write it")
    rita.sees("this always holds")
    rita.look()
    shot(rita, "errors")
    rita.fill(to0="0.6")
    rita.click("Write it")
    rita.sees("Not tried yet")
    rita.look()
    rita.click("Try it on past data")
    rita.sees("It would have hit 3 of them")
    rita.look()
    shot(rita, "tried")
    rita.click("Switch it on")
    rita.sees("The rule is on")
    checked(work.worker("worker0"), here, 0.0)
    sweep()
    rita.page.reload()
    rita.sees("1 decision stands")
    rita.look()
    shot(rita, "on")
    rita.follow("Write the next version")
    rita.look()
    rita.go(f"/projects/{here.project.public_id}/rules/")
    rita.look()
    shot(rita, "list")
    assert Rule.objects.get().state == "on"
    wes = people("Wes")
    make.user("wes")
    signs_in(wes)
    wes.go(f"/work/projects/{here.project.public_id}/")
    wes.sees("they are offered no more work of this project for 24 hours")
    wes.look()
    shot(wes, "worker")
