import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from marketplace.core import env, signing


@pytest.mark.parametrize(("value", "read"), [("1", True), ("yes", True), ("False", False), ("", True)])
def test_a_flag_is_read_strictly(monkeypatch, value, read):
    monkeypatch.setenv("THING", value)
    assert env.flag("THING", default=True) is read


@pytest.mark.parametrize("value", ["maybe", "2", "on!"])
def test_nonsense_for_a_flag_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("THING", value)
    with pytest.raises(ImproperlyConfigured, match="THING"):
        env.flag("THING")


@pytest.mark.parametrize("value", ["-1", "1.5", "ten", "11", "0x1"])
def test_a_number_out_of_bounds_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("THING", value)
    with pytest.raises(ImproperlyConfigured, match="THING"):
        env.number("THING", 5, least=0, most=10)


def test_a_number_at_the_edge_is_taken(monkeypatch):
    monkeypatch.setenv("THING", "10")
    assert env.number("THING", 5, most=10) == 10


def test_one_of_some_words_is_read_strictly(monkeypatch):
    assert env.one_of("THING", "lines", "json") == "lines"
    monkeypatch.setenv("THING", "json")
    assert env.one_of("THING", "lines", "json") == "json"
    monkeypatch.setenv("THING", "xml")
    with pytest.raises(ImproperlyConfigured, match="THING"):
        env.one_of("THING", "lines", "json")


def test_countries_and_their_currencies_are_read_strictly(monkeypatch):
    assert env.countries("THING", "US:USD CH:CHF+EUR") == {"US": {"USD"}, "CH": {"CHF", "EUR"}}
    for wrong in ("US", "us:USD", "US:", "US:USD+", "USD:US"):
        monkeypatch.setenv("THING", wrong)
        with pytest.raises(ImproperlyConfigured, match="THING"):
            env.countries("THING", "")


def test_a_database_address_is_taken_apart():
    found = env.database("postgresql://ann:s%40cret@db.example:5433/hands?sslmode=require")
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == ("ann", "s@cret", "db.example", "5433")
    assert (found["NAME"], found["OPTIONS"]) == ("hands", {"sslmode": "require"})


@pytest.mark.parametrize("url", ["sqlite:///x", "postgresql://host", "nonsense"])
def test_another_database_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        env.database(url)


def test_a_file_is_read_at_start_or_refused(tmp_path, monkeypatch):
    path = tmp_path / "keys.json"
    assert env.json_file("THING", len, []) == 0
    monkeypatch.setenv("THING", str(path))
    for content, read in (("", dict), ("{", dict), ("[1]", signing.keys_of)):
        path.write_text(content)
        with pytest.raises(ImproperlyConfigured, match="THING"):
            env.json_file("THING", read, {})
    path.write_text("[1, 2]")
    assert env.json_file("THING", len, []) == 2


def test_a_secret_that_makes_no_sense_is_not_repeated(monkeypatch):
    monkeypatch.setenv("THING", "")
    assert env.parsed("THING", bytes.fromhex) is None
    monkeypatch.setenv("THING", "s3cret")
    with pytest.raises(ImproperlyConfigured) as caught:
        env.parsed("THING", signing.private_key)
    assert "THING" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_time_zone_is_read_strictly(monkeypatch):
    assert str(env.time_zone("THING")) == "UTC"
    monkeypatch.setenv("THING", "Europe/Berlin")
    assert str(env.time_zone("THING")) == "Europe/Berlin"
    for wrong in ("Berlin", "../etc/passwd", "Europe", "CEST+1"):
        monkeypatch.setenv("THING", wrong)
        with pytest.raises(ImproperlyConfigured, match="THING"):
            env.time_zone("THING")


@pytest.mark.parametrize(("floors", "read"), [("{}", "{}"), ('{"US": {"USD": "7.25"}}', "{'US': {'USD': 7250000}}")])
def test_a_file_without_floors_sets_none(tmp_path, floors, read):
    (tmp_path / "floors.json").write_text(floors)
    said = {**os.environ, "PAY_FLOORS": str(tmp_path / "floors.json")}
    shown = [sys.executable, "-c", "from marketplace import settings; print(settings.PAY_FLOORS)"]
    assert subprocess.run(shown, env=said, capture_output=True, text=True, check=True).stdout.strip() == read
