"""Pay under the floor: seen by Rita and Wes, topped up, and decided about; clicked."""

import re
from collections.abc import Callable

from playwright.sync_api import Page

from tasks.models import TimeSheet
from tests import make
from tests.browser.conftest import People
from tests.browser.test_training import signs_in
from tests.tasks import paid, work


def test_rita_sees_what_an_hour_pays_and_grants_what_is_missing_and_wes_sees_why(people: People) -> None:
    crowd = [work.worker(name) for name in ("wes", "ann", "bob", "cleo", "dan", "eve", "finn")]
    batch = paid.published(crowd=len(crowd), top_up_most_percent=20)
    for place, person in enumerate(crowd):
        paid.spend(person, batch, 480 + 60 * place)
    paid.look(batch)
    rita, wes = people("Rita"), people("Wes")
    signs_in(rita)
    rita.go(f"/projects/{batch.project.public_id}/publish/")
    rita.sees("What an hour pays")
    rita.look()
    rita.go(f"/projects/{batch.project.public_id}/")
    rita.sees("are under the pay floor")
    rita.look()
    rita.follow("Pay and top-ups")
    rita.sees("For you to decide")
    rita.page.get_by_text("How it is computed").first.click()
    rita.look()
    rita.page.get_by_role("button", name=re.compile("^Grant")).first.click()
    rita.sees("is added to the worker's pay")
    rita.page.locator("details.confirm summary").first.click()
    rita.page.locator("input[name=reason]").first.fill("They were away.")
    rita.page.get_by_role("button", name="Decline it").first.click()
    rita.sees("It is declined.")
    signs_in(wes)
    wes.go("/earnings/")
    wes.sees("Top-up to the pay floor")
    wes.look()
    wes.follow("Top-ups, and how each is computed")
    wes.page.get_by_text("How it is computed").first.click()
    wes.sees("At the floor of 4.50 USD an hour")
    wes.look()


def until(is_so: Callable[[], bool], page: Page) -> None:
    """Wait in the page until it is so; its policy of content forbids `wait_for_function`."""
    for _ in range(100):
        if is_so():
            return
        page.wait_for_timeout(200)
    raise AssertionError("not within 20 s")


def test_the_time_of_reading_is_counted_by_the_page(people: People) -> None:
    batch = work.published(guideline="# Look\n\nAt the ears.")
    make.user("wes")
    wes = people("Wes")
    signs_in(wes)
    wes.go(f"/work/projects/{batch.project.public_id}/")
    wes.look()
    wes.page.mouse.move(100, 100)
    counted = wes.page.locator("form[data-reading] [name=active_s]")
    until(lambda: int(counted.input_value() or 0) >= 2, wes.page)
    wes.click("I have read version 1")
    wes.sees("Start")
    assert TimeSheet.objects.get().reading_s >= 2
