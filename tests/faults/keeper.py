"""Keeps a PostgreSQL server of its own running until its input ends; then stops it and removes all of it.

usage: keeper.py ROOT    prints where the server is, and "ready" again for every line it reads
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

from marketplace.core.embedded import install, place, server

PATIENCE_S = 30.0


def main(root: Path) -> None:
    settings = server.settings(root)
    try:
        server.ensure(root)
        here = place.of(root)
        files = {"DATA": str(here.data), "SETTINGS": str(install.settings_file(here))}
        print(json.dumps({**settings, **files}), flush=True)
        for _ in sys.stdin:
            while not server.answers(root):  # its guardian may not have noticed yet
                server.ensure(root)
            print("ready", flush=True)
    finally:
        remove(root)


def remove(root: Path) -> None:
    """Let go of the server, wait until its guardian has ended, and leave nothing behind."""
    here = place.of(root)
    for held in server._held.values():
        os.close(held)
    until = time.monotonic() + PATIENCE_S
    while server.state(here) is not server.State.FREE and time.monotonic() < until:
        time.sleep(0.05)
    for folder in (here.home, here.sockets):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
