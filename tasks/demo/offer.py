"""A requester's side over HTTP: from a file to a published batch. What is there already is found and used."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marketplace.core import money
from tasks.demo.client import Client

WAIT_S = 0.2
PATIENCE_S = 600.0


class Failed(Exception):
    """The job cannot go on; the message says why."""


@dataclass(frozen=True)
class Plan:
    """An offer to be made once: found again by its title, its data by the dataset's name."""

    organisation: str
    title: str
    dataset: str
    terms: dict[str, Any]
    file: Callable[[], bytes]
    format: str
    read_as: dict[str, str]  # of the import: key_column, truth_columns
    spare_micros: int = 0  # paid beyond what the batch reserves


def batch(requester: Client, plan: Plan, check: Callable[[], None]) -> dict[str, Any]:
    """The plan's batch, published and open for work; `check` raises when waiting has become pointless."""
    organisation = _found(requester, "organisations", "name", plan.organisation) or requester.post(
        "organisations", {"name": plan.organisation}
    )
    home = {"organisation": organisation["id"]}
    project = _found(requester, "projects", "title", plan.title, **home) or requester.post(
        "projects", {**home, "title": plan.title, **plan.terms}
    )
    made = next(requester.every("batches", project=project["id"]), None)
    if made is None:
        dataset = _found(requester, "datasets", "name", plan.dataset, **home) or requester.post(
            "datasets", {**home, "name": plan.dataset}
        )
        _import(requester, plan, dataset["id"], project["id"], check)
        _prepay(requester, plan, organisation["id"], project["id"], dataset["id"])
        made = requester.post(f"projects/{project['id']}/publish", {"dataset": dataset["id"]})
    return wait(
        lambda: requester.get(f"batches/{made['id']}"), lambda batch: batch["state"] != "filling", check, "tasks"
    )


def wait(
    look: Callable[[], dict[str, Any]], is_done: Callable[[dict[str, Any]], bool], check: Callable[[], None], what: str
) -> dict[str, Any]:
    """Look again and again until it is done; raises Failed when that takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_done(seen := look()):
        check()
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE_S:.0f} s for the {what}, in vain: {seen}")
        time.sleep(WAIT_S)
    return seen


def paid(requester: Client, batch: str, check: Callable[[], None]) -> dict[str, Any]:
    """The batch when it is closed, every answer in it decided and paid, and the rest of its reserve returned."""

    def is_over(seen: dict[str, Any]) -> bool:
        progress = seen["progress"]
        each = seen["price_micros"] + money.fee_micros(seen["price_micros"], seen["fee_bp"])
        owed = (progress["accepted"] + progress["excluded"]) * each
        undecided = progress["waiting"] + progress["leased"]
        return bool(seen["returned_at"]) and not undecided and progress["spent_micros"] == owed

    return wait(lambda: requester.get(f"batches/{batch}"), is_over, check, "pay")


def _found(requester: Client, path: str, name: str, wanted: str, **query: str) -> dict[str, Any] | None:
    """The oldest of one's own rows with this name."""
    named = [row for row in requester.every(path, **query) if row[name] == wanted]
    return named[-1] if named else None


def _import(requester: Client, plan: Plan, dataset: str, project: str, check: Callable[[], None]) -> None:
    """Have the file read, unless it was before."""
    run = next(requester.every(f"datasets/{dataset}/imports"), None)
    if run is None or run["state"] == "failed":
        run = requester.post(
            f"datasets/{dataset}/imports",
            files={"file": (f"items.{plan.format}", plan.file())},
            data={"format": plan.format, "project": project, **plan.read_as},
        )
    ended = wait(
        lambda: requester.get(f"imports/{run['id']}"), lambda run: run["state"] in ("done", "failed"), check, "import"
    )
    if ended["state"] == "failed" or ended["bad"]:
        first_bad: dict[str, Any] = next(requester.every(f"imports/{run['id']}/bad-rows"), {})
        raise Failed(f"the import did not take everything: {ended['failure'] or first_bad}")


def _prepay(requester: Client, plan: Plan, organisation: str, project: str, dataset: str) -> None:
    """Pay what is missing for the whole job, in whole cents."""
    quote = requester.get(f"projects/{project}/quote", dataset=dataset)
    if quote["problems"]:
        raise Failed(f"this cannot be published: {'; '.join(quote['problems'])}")
    if missing := quote["missing_micros"]:
        cents = -(-(missing + plan.spare_micros) // 10_000)
        body = {"amount_micros": cents * 10_000, "currency": "USD"}
        requester.post(f"organisations/{organisation}/prepayments", body)
