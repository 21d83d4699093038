"""A short, seeded run of the faults; `make faults` does all of them, and for longer."""

import os
import subprocess
import sys

import pytest

from tests.faults.ground import ROOT


def faults(*options: str) -> subprocess.CompletedProcess[str]:
    """The command behind `make faults`; it has a database server of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", *options],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="kills by process id, as /proc tells them")
def test_promises_hold_after_faults_and_naive_versions_are_caught():
    ended = faults("--short", "--seed=7")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [line for line in ended.stdout.splitlines() if line.startswith("F")]
    assert len(lines) >= 3
    assert all(" held " in line and "caught: " in line for line in lines), ended.stdout
