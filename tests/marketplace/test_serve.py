import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from marketplace.core import children
from tests import apart

PORT = 8740


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), apart.database("template1") as url:
        yield url


def answers() -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{PORT}/accounts/login/", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_site_answers_and_ends_in_order(url: str, tmp_path: Path):
    with apart.started(url, tmp_path, "serve", f"--port={PORT}") as site:
        apart.until(answers, within_s=180)  # it makes its database first
        others = apart.below(site.pid)
        site.send_signal(signal.SIGTERM)
        assert site.wait(30) == 0
        assert not any(map(apart.is_running, others))
    assert f"http://127.0.0.1:{PORT}/" in (tmp_path / "out.txt").read_text()


def test_nothing_outlives_a_killed_site(url: str, tmp_path: Path):
    with apart.started(url, tmp_path, "serve", f"--port={PORT}") as site:
        apart.until(answers)
        others = apart.below(site.pid)
        assert len(others) >= 4 + 4  # server and two processes, cluster and its own
        site.kill()
        site.wait()
        apart.until(lambda: not any(map(apart.is_running, others)), within_s=10)


@pytest.mark.parametrize("victim", ["web", "cluster"])
def test_when_one_half_dies_the_other_ends_too(url: str, tmp_path: Path, victim: str):
    with apart.started(url, tmp_path, "serve", f"--port={PORT}") as site:
        apart.until(answers)
        others = apart.below(site.pid)
        web, cluster = (child for child in others if child in apart.children(site.pid))
        apart.kill({"web": web, "cluster": cluster}[victim])
        assert site.wait(30) == 1
        assert not any(map(apart.is_running, others))
    assert f"`manage.py {victim}` was killed by SIGKILL" in (tmp_path / "err.txt").read_text()


def test_an_address_others_can_reach_is_refused(url: str, tmp_path: Path):
    refused = apart.run(url, tmp_path, "serve", "--host=0.0.0.0", f"--port={PORT}")
    assert refused.returncode == 1
    assert "PRODUCTION=1" in refused.stderr


def test_a_taken_port_is_refused(url: str, tmp_path: Path):
    with socket.create_server(("127.0.0.1", PORT), reuse_port=True):
        refused = apart.run(url, tmp_path, "serve", f"--port={PORT}")
    assert refused.returncode == 1
    assert "is taken" in refused.stderr


def test_a_port_on_which_somebody_listens_is_not_free():
    with socket.create_server(("127.0.0.1", PORT), reuse_port=True):
        assert not children.is_free("127.0.0.1", PORT)
        assert children.free_port("127.0.0.1", PORT) > PORT
    assert children.is_free("127.0.0.1", PORT)


def test_a_process_that_only_watches_dies_with_its_parent_too(tmp_path: Path):
    """What takes the kernel's place where that cannot be asked."""
    watch = "import sys; from marketplace.core import children; children._watch(int(sys.argv[1]))"
    start = f"subprocess.Popen([sys.executable, '-c', {watch!r}, str(os.getpid())])"
    parent = f"import os, subprocess, sys; print({start}.pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=settings.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout
        child = int(starter.stdout.readline())
        starter.kill()
        starter.wait()
        try:
            apart.until(lambda: not apart.is_running(child), within_s=15)
        finally:
            apart.kill(child)
