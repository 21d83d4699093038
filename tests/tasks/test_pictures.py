"""How labels are decided: one text, its pictures drawn by the code as it is, and the page that shows both."""

import re

import numpy as np
import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from tasks import simulation
from tasks.web import curves, pictures
from tasks.web.views import explained

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
NEAR = 2.0  # of 400: what another processor may round otherwise


@pytest.mark.parametrize("name", pictures.everything())
def test_the_pictures_in_the_docs_are_what_the_code_draws_now(name):
    """After a change that is meant: make pictures, and look at them."""
    drawn, kept = pictures.everything()[name](), (pictures.PLACE / name).read_text()
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", kept)
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (drawn, kept)]
    assert numbers[0] == pytest.approx(numbers[1], abs=NEAR)


def test_the_command_writes_them_all_and_nothing_else(tmp_path):
    call_command("pictures", folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(pictures.everything())
    assert sorted(path.name for path in pictures.PLACE.iterdir()) == sorted(pictures.everything())


def test_the_page_has_the_text_and_all_its_pictures_with_words_for_who_sees_none():
    words = explained.TEXT.read_text()
    page = Client().get(reverse("how-labels"))
    html = page.content.decode()
    assert page.status_code == 200
    assert html.count("<h1>") == 1
    assert html.count("<h2>") == words.count("\n## ")
    for name in pictures.everything():
        assert len(re.findall(rf'<img src="/static/pictures/{name}" alt="[^"]{{40,}}">', html)) == 1
        assert finders.find(f"pictures/{name}")
    assert "![" not in html
    assert "](" not in html


def test_what_the_text_says_of_the_pictures_is_what_they_show():
    said = {file: words for words, file in explained.PICTURE.findall(explained.TEXT.read_text())}
    assert "72 % sure" in said["votes.svg"]
    assert "Weighed: cat, 72 % sure" in pictures.five()
    assert "Counted: dog, 3 to 2" in pictures.five()
    assert "the model says 98 % where little more than three labels in four are right" in said["sure.svg"]
    alone, calibrated, _ = pictures.sure_and_right().values()
    assert alone[-1] == (pytest.approx(0.98, abs=0.005), pytest.approx(0.77, abs=0.02))
    assert max(abs(sure - right) for sure, right in calibrated) < 0.1
    assert "four answers on average are as good as six or seven of each task" in said["price.svg"]
    each, until = pictures.bought_and_right().values()
    assert 6 <= simulation.as_fixed(each, np.interp(4.0, *zip(*until, strict=True))) <= 7
    assert "Counting stays under two in three" in said["gold.svg"]
    counting, weighing = ([right for _, right in points] for points in pictures.known_and_right().values())
    assert max(counting) < 2 / 3
    assert weighing[0] < 0.5
    assert weighing[pictures.GOLD.index(100)] > 0.9
    assert "funny from 40 to 71 %" in said["opinions.svg"]
    assert ("funny", pytest.approx(0.40, abs=0.005), pytest.approx(0.71, abs=0.005)) in [
        (name, low, high) for name, low, _, high in pictures.thought()
    ]


def test_a_curve_keeps_its_points_within_the_plot():
    picture = curves.curves({"one": [(1.0, 0.7), (40.0, 1.0)], "none": []})
    assert [curve.name for curve in picture.curves] == ["one"]
    assert picture.curves[0].dots[-1] == (picture.right, picture.top)
    assert [text for _, text in picture.across] == ["0", "20", "40"]
    assert [text for _, text in picture.up] == ["70 %", "85 %", "100 %"]
