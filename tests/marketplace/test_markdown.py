import pytest

from marketplace.web import markdown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# Cats\n\n*Small*", "<h1>Cats</h1>\n<p><em>Small</em></p>\n"),
        ("|a|\n|-|\n|b|", "<table>"),
        ("[x](https://example.org)", '<a href="https://example.org" rel="nofollow noopener">x</a>'),
    ],
)
def test_markdown_becomes_html(text, html):
    assert html in markdown.render(text)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://example.org/track.png)",
        '<img src=x onerror="alert(1)">',
        "<style>body{}</style>",
        '<a href="x" onclick="alert(1)">x</a>',
    ],
)
def test_nothing_that_acts_or_loads_comes_through(text):
    html = markdown.render(text)
    assert not any(bad in html for bad in ("<script", "<a", "<img", "<style"))
