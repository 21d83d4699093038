"""People at work over HTTP: an own small client on asyncio, which costs little of the machine it shares."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.crowd.stage import HOST, Person, Stage

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Seen:
    """What the people saw: seconds that each request took, statuses, and what was handed out twice."""

    claims: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    given: set[tuple[int, str]] = field(default_factory=set)
    doubles: int = 0
    cpu_s: float = 0.0  # of the server's processes


class Line:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, token: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self.streams = self.streams or await asyncio.open_connection(HOST, self.port)
        reader, writer = self.streams
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"content-length:")
        return int(head[9:12]), await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))


async def cycle(line: Line, stage: Stage, person: Person, seen: Seen, size: int | None = None) -> bool:
    """Claim a page and hand it in; whether there was one."""
    began = time.perf_counter()
    wanted = b"{}" if size is None else msgspec.json.encode({"tasks": size})
    status, body = await line.post(f"/api/v1/work/projects/{stage.project}/claim", person.token, wanted)
    claimed = time.perf_counter()
    seen.statuses[status] += 1
    if status != 201:
        return False
    seen.claims.append(claimed - began)
    page = msgspec.json.decode(body)
    given = {(person.worker, str(task["payload"])) for task in page["tasks"]}
    seen.doubles += len(page["tasks"]) - len(given - seen.given)
    seen.given |= given
    answers = [{"position": task["position"], "value": {"animal": "cat"}} for task in page["tasks"]]
    sent = msgspec.json.encode({"answers": answers, "active_s": 1})
    began = time.perf_counter()
    status, _ = await line.post(f"/api/v1/assignments/{page['id']}/submit", person.token, sent)
    seen.submits.append(time.perf_counter() - began)
    seen.statuses[status] += 1
    return True


def closed_loop(stage: Stage, people: Sequence[Person], clients: int, seconds: float, size: int | None = None) -> Seen:
    """As many cycles as so many clients can do, one after the other."""

    async def client(mine: Sequence[Person]) -> None:
        line = Line(stage.port)
        while time.perf_counter() < end:
            await cycle(line, stage, random.choice(mine), seen, size)

    async def all_of_them() -> None:
        await asyncio.gather(*(client(people[n::clients]) for n in range(clients)))

    seen, before = Seen(), cpu_s(stage)
    end = time.perf_counter() + seconds
    asyncio.run(all_of_them())
    seen.cpu_s = cpu_s(stage) - before
    return seen


def at_their_pace(stage: Stage, people: Sequence[Person], seconds: float, task_s: tuple[float, float]) -> Seen:
    """Each of these people at work: a page of one, then as long as a task takes them."""

    async def work(person: Person) -> None:
        line = Line(stage.port)
        await asyncio.sleep(random.uniform(0, task_s[1]))
        while time.perf_counter() < end:
            await cycle(line, stage, person, seen, 1)
            await asyncio.sleep(random.uniform(*task_s))

    async def all_of_them() -> None:
        await asyncio.wait([asyncio.create_task(work(person)) for person in people], timeout=seconds)

    seen, before = Seen(), cpu_s(stage)
    end = time.perf_counter() + seconds
    asyncio.run(all_of_them())
    seen.cpu_s = cpu_s(stage) - before
    return seen


def cpu_s(stage: Stage) -> float:
    """Processor time that the server's processes have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in stage.processes()]
    return sum(int(row[11]) + int(row[12]) for row in fields) / TICKS


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
