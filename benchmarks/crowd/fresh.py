"""A function in a process of its own, and how much memory that takes."""

import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def memory(name: str) -> int:
    """Bytes of this process: held now (VmRSS) or at most so far (VmHWM)."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def apart(function: Callable[..., None], *arguments: Any) -> Any:
    """What a function sends from a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(*arguments, there))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()
