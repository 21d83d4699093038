"""The whole life of a label, clicked."""

import base64
import io
import random
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from PIL import Image

from marketplace.models import User
from tasks import appeals
from tasks.models import Answer, Appeal, Assignment
from tests import make
from tests.browser.conftest import People, Person, sweep
from tests.tasks import work

WORK, KNOWN = 6, 8
GUIDELINE = "# Which digit?\n\nLook at the **whole** picture.\n\n| seen | answer |\n|---|---|\n| a ring | 0 |\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A CSV of small pictures; those with a known digit all show a bright first pixel row."""
    lines = ["id,image,known"]
    for number in range(WORK + KNOWN):
        known = "3" if number < KNOWN else ""
        lines.append(f'p{number},"{_picture(number)}",{known}')
    lines.append("broken,,12")
    path = tmp_path / "digits.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _picture(seed: int) -> str:
    picture = Image.new("L", (8, 8))
    picture.putdata(random.Random(seed).choices(range(256), k=64))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def test_rita_gets_labels_and_wes_is_paid(people: People, file: Path) -> None:
    rita, wes = people("Rita"), people("Wes")
    _rita_offers(rita, file)
    _wes_works(wes)
    _rita_rejects_one(rita)
    _wes_contests(wes)
    _wes_is_paid(wes)
    _rita_takes_her_labels(rita)
    assert rita.complaints == wes.complaints == []


def _rita_offers(rita: Person, file: Path) -> None:
    rita.go("/")
    rita.look()
    rita.signs_up()
    rita.go("/")
    rita.look()
    rita.follow("Found an organisation")
    rita.look()
    rita.fill(name="Rita's lab")
    rita.click("Found the organisation")
    rita.look()
    rita.follow("Money")
    rita.fill(amount_micros="20")
    rita.look()
    rita.click("Prepay with play money")
    rita.sees("20.00 USD are prepaid")
    rita.follow("Rita's lab")
    rita.follow("Members (1)")
    rita.look()
    rita.follow("Rita's lab")
    rita.follow("Draft a project")
    _rita_drafts(rita)
    rita.page.locator("[name=file]").set_input_files(file)
    rita.fill(key_column="id", truth_digit="known")
    rita.look()
    rita.click("Import the file")
    rita.sees("Waiting to begin.")
    sweep()
    rita.sees("The file is in the dataset")
    rita.sees("Bad rows")
    rita.look()
    rita.follow("See the price and publish")
    rita.sees("At most, set aside")
    rita.look()
    rita.click("Publish")
    sweep()
    rita.page.reload()
    rita.sees(f"Items done: 0 of {WORK}")
    rita.look()


def _rita_drafts(rita: Person) -> None:
    rita.fill(title="Which digit is it?", description="One glance each.", guideline=GUIDELINE)
    rita.page.locator("[name=display-0-column]").fill("image")
    rita.page.locator("[name=display-0-kind]").select_option("image")
    rita.click("Ask another question")
    rita.page.locator("[name=fields-1-DELETE]").check()
    rita.fill(**{"fields-0-title": "Which digit do you see?", "fields-0-name": "digit"})
    rita.fill(**{"fields-0-options": "\n".join("0123456789")})
    rita.click("Preview the guideline")
    rita.page.locator("#preview h3").wait_for()
    rita.fill(price_micros="0.50", redundancy_min="1", redundancy_max="1")
    rita.page.get_by_text("More terms, with sensible defaults").click()
    rita.fill(practice_size="3", accept_after_h="0")
    rita.look()
    rita.click("Save the draft")
    rita.sees("The project is drafted")


def _wes_works(wes: Person) -> None:
    wes.signs_up()
    wes.go("/work/")
    wes.sees("Practice first: 3 tasks, unpaid")
    wes.look()
    wes.follow("Which digit is it?")
    wes.look()
    wes.click("I have read version 1")
    wes.click("Practise")
    wes.look()
    _answer_all(wes, "3")
    wes.click("Hand in the practice")
    wes.sees("You passed")
    wes.look()
    wes.click("Start working")
    wes.sees("min left")
    wes.page.get_by_role("button", name="Hand in the page").click()
    wes.sees("Nothing was handed in yet")
    wes.complaints.clear()  # the browser says that the page was answered with 422
    wes.look()
    _answer_all(wes, "7")
    wes.sees("Draft saved at")
    wes.go(wes.page.url)
    assert wes.page.locator("input[value='7']:checked").count() >= WORK
    wes.click("Hand in the page")
    wes.sees("Answers taken")
    wes.look()
    wes.go("/work/answers/")
    wes.sees("Waiting for acceptance")
    wes.look()
    wes.go("/earnings/")
    wes.sees("Waiting for acceptance")
    wes.look()


def _answer_all(person: Person, key: str) -> None:
    """By keyboard: the first option gets the focus, every key goes on to the next task."""
    person.page.locator("[data-task] input[type=radio]").first.focus()
    tasks = person.page.locator("[data-task]").count()
    for _ in range(tasks):
        person.page.keyboard.press(key)
    assert person.page.locator("[data-answered]").inner_text() == str(tasks)


def _rita_rejects_one(rita: Person) -> None:
    rita.page.reload()
    rita.follow("Review answers")
    rita.look()
    rita.page.get_by_role("checkbox").first.check()
    rita.click("Accept the chosen")
    rita.sees("Accepted: 1.")
    rita.follow("Look at answer 1", exact=False)
    rita.fill(reason="It is a 4, see the guideline.")
    rita.look()
    rita.click("Reject, do not pay")
    rita.sees("The answer is rejected")
    rita.look()


def _wes_contests(wes: Person) -> None:
    wes.go("/work/answers/?state=rejected")
    wes.sees("It is a 4")
    wes.look()
    wes.follow("Read it or contest it")
    wes.fill(statement="It has the bar of a 7.")
    wes.look()
    wes.click("Contest the decision")
    wes.sees("Appeal open")
    wes.look()
    ada = make.user("ada", staff=True)
    appeals.uphold(Appeal.objects.get(), ada, "It is a 7.")
    wes.page.reload()
    wes.sees("Appeal upheld")


def _wes_is_paid(wes: Person) -> None:
    sweep()
    wes.go("/earnings/")
    wes.look()
    wes.click("Request the payout")
    wes.sees("are on their way to you")
    sweep()
    wes.page.reload()
    wes.sees("Paid")
    wes.look()
    paid = User.objects.get(email=wes.email).payouts.get()
    assert paid.state == "paid"
    assert paid.amount_micros == 500_000 * Answer.objects.filter(state="accepted").count()


def _rita_takes_her_labels(rita: Person) -> None:
    rita.go("/projects/")
    rita.look()
    rita.follow("Which digit is it?")
    rita.sees(f"of {WORK}")
    rita.look()
    with rita.page.expect_download() as download:
        rita.follow("Labels as CSV")
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == WORK + 1
    rita.follow("Edit")
    rita.look()
    call_command("audit")


def test_the_lease_is_kept_while_somebody_is_there(people: People) -> None:
    wes = people("Wes")
    work.published()
    wes.signs_up()
    wes.page.clock.install()
    wes.go("/work/")
    wes.follow("Animals")
    wes.click("Start working")
    wes.sees("min left")
    lease = Assignment.objects.get()
    an_hour_ago = lease.claimed_at - timedelta(hours=1)
    Assignment.objects.update(claimed_at=an_hour_ago)
    wes.page.keyboard.press("Tab")
    with wes.page.expect_response("**/heartbeat"):
        wes.page.clock.run_for(16_000)
    lease.refresh_from_db()
    assert 10 <= lease.active_s <= 16
    wes.page.clock.run_for(90_000)
    seconds = int(wes.page.locator("[name=active_s]").input_value())
    assert 55 <= seconds <= 65  # nobody touched anything for longer
    assert wes.complaints == []


def test_every_other_page_is_usable(people: People) -> None:
    guest, rita = people("Guest"), people("Rita")
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/password/reset/done/"):
        guest.go(path)
        guest.look()
    rita.signs_up()
    for path in (
        "/account/",
        "/account/keys/",
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/logout/",
        "/projects/",
        "/work/answers/",
        "/earnings/",
    ):
        rita.go(path)
        rita.look()
    rita.go("/nothing/")
    rita.complaints.clear()  # the browser says that this was a 404
    rita.look()


def test_work_without_scripts(people: People) -> None:
    wes = people("Wes", scripts=False)
    batch = work.published()
    wes.signs_up()
    wes.go("/work/")
    wes.follow("Animals")
    wes.click("Start working")
    wes.page.get_by_label("cat").first.check()
    wes.click("Save draft")
    wes.sees("The draft is saved")
    assert wes.page.locator("input:checked").count() == 1
    wes.page.get_by_role("button", name="Skip task 3").click()
    wes.sees("Skipped")
    for owl in wes.page.get_by_label("owl").all():
        owl.check()
    wes.click("Hand in the page")
    wes.sees("Answers taken: 2. Skipped: 1.")
    assert Assignment.objects.get(batch=batch).answers.filter(value={"animal": "owl"}).count() == 2
