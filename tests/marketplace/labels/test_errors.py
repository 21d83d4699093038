import pytest

from marketplace.labels.errors import Error, refuse, shown


def test_a_path_grows_from_the_outside():
    error = Error("value", "missing", "required").under("options[2]").under("fields[0]")
    assert error.path == "fields[0].options[2].value"
    assert Error("[1]", "option", "no").under("tags").path == "tags[1]"
    assert Error("", "type", "no").under("tags").path == "tags"


def test_the_first_error_refuses():
    refuse([])
    with pytest.raises(ValueError, match=r"^no$"):
        refuse([Error("", "type", "no"), Error("", "type", "nor this")])


def test_foreign_text_is_shown_safe_and_short():
    assert shown("a\x00\ud800b") == "a??b"
    assert shown("x" * 50) == "x" * 40 + "…"
