"""How labels are decided, read by whoever comes by."""

from tests.browser.conftest import People


def test_how_labels_are_decided_is_read_by_anybody(people: People) -> None:
    sam = people("Sam")
    sam.go("/")
    sam.follow("How labels are decided")
    sam.sees("A single answer has no confidence.")
    loaded = "[...document.images].map(picture => picture.complete && picture.naturalWidth > 0)"
    assert sam.page.evaluate(loaded) == [True] * 5
    sam.look()
