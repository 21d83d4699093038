"""Labels looked at one after the other, with keys."""

import pytest

from tasks.models import Review
from tests.browser.conftest import People
from tests.browser.test_gold import signed_in
from tests.tasks.reviewed import asked, labelled, member


@pytest.mark.django_db(transaction=True)
def test_rosa_looks_at_labels_with_the_keyboard_and_rita_sees_what_came_of_it(people: People) -> None:
    batch = labelled(("cat", "cat", "dog"), ("owl", "owl", "owl"), ("cat", "dog", "cat"))
    member(batch, "rosa")
    asked(batch)
    rosa, rita = signed_in(people("Rosa")), signed_in(people("Rita"))
    rosa.go(f"/projects/{batch.project.public_id}/")
    rosa.follow("Reviews")
    rosa.sees("3 of 3 wait, 3 of them for you")
    rosa.look()
    rosa.click("Look at the next one")
    rosa.sees("Answer C")
    rosa.look()
    rosa.page.keyboard.press("w")
    rosa.page.locator("input[name='t0-animal'][value='dog']").check()
    rosa.look()
    rosa.click("This is right")
    rosa.sees("Noted: the label is corrected.")
    rosa.look()
    rosa.page.locator("textarea[name='note']").first.fill("sy")  # what is typed stays text
    assert not Review.objects.filter(verdict="send_back").exists()
    rosa.page.locator("h1").click()
    rosa.page.keyboard.press("y")
    rosa.sees("Noted: the label is right.")
    rosa.page.keyboard.press("s")
    rosa.sees("One more answer is asked for")
    rosa.look()
    assert list(Review.objects.order_by("pk").values_list("verdict", "note")) == [
        ("correct", ""),
        ("accept", "sy"),
        ("send_back", ""),
        ("", ""),
    ]
    rita.go(f"/projects/{batch.project.public_id}/reviews/")
    rita.sees("50 %")
    rita.look()
    rita.page.get_by_role("link", name="Look at label 4").click()
    rita.sees("The label was corrected")
    rita.look()
    assert rosa.complaints == rita.complaints == []
