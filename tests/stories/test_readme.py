"""What the README says is so: its commands are run as they stand there, against a real server."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.db import connection
from django.utils.module_loading import import_string

from payments.models import Payout
from tasks import audit

README = (Path(site_settings.ROOT) / "README.md").read_text()
PATIENCE_S = 180
TONES = {
    "m07": "praise",
    "m08": "complaint",
    "m09": "complaint",
    "m10": "praise",
    "m11": "complaint",
    "m12": "praise",
}


def commands() -> str:
    """Every block of shell between the two marks."""
    story = README.partition("<!-- curl -->")[2].partition("<!-- /curl -->")[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", story, re.MULTILINE | re.DOTALL))


@contextmanager
def sweeping() -> Iterator[None]:
    """What the cluster does, over and over, in a thread; a fault of a sweep is a fault of the test."""
    ended, faults = Event(), []

    def sweep() -> None:
        try:
            while not ended.wait(0.2):
                for name in site_settings.SWEEPS:
                    while import_string(name)():
                        pass
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    thread = Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert faults == []


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="no curl or no bash on this machine")
@pytest.mark.django_db(transaction=True)
def test_curl_alone_gets_labels_and_pays_the_worker(live_server: Any, settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / ".data" / "mail"
    with sweeping():
        shell = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands()],
            cwd=tmp_path,
            env={**os.environ, "SITE": live_server.url, "NO_PROXY": "*", "no_proxy": "*"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert shell.returncode == 0, shell.stdout + shell.stderr
    labels = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert {row["key"]: row["labels"]["tone"] for row in labels} == TONES
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 1 + len(TONES)
    assert Payout.objects.get().amount_micros >= len(TONES) * 200_000
    assert audit.check() == []


def test_every_setting_is_in_the_table() -> None:
    read = re.findall(r'\benv\.\w+\(\s*"(\w+)"', (Path(site_settings.ROOT) / "marketplace" / "settings.py").read_text())
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told) == sorted(set(read))


def test_every_page_that_is_linked_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (Path(site_settings.ROOT) / link).exists()] == []
