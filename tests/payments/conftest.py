from collections.abc import Iterator

import pytest

from payments import ledger
from tests.payments import made


@pytest.fixture(autouse=True)
def _audited(db: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did with money, the ledger holds afterwards."""
    yield
    assert (made.audit() if request.node.get_closest_marker("by_hand") else ledger.audit()) == []


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The jobs a test enqueues, in place of the queue."""
    names: list[tuple[object, ...]] = []
    monkeypatch.setattr("marketplace.core.jobs.enqueue", lambda *job: names.append(job))
    return names
