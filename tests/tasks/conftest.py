from collections.abc import Iterator
from typing import Any

import pytest

from tasks import audit
from tests.listener import Listener
from tests.tasks import aggregated


@pytest.fixture(autouse=True)
def _audited(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did with work and money, every promise holds afterwards."""
    yield
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        assert audit.check() == []


@pytest.fixture
def there(settings: Any) -> Iterator[Listener]:
    """An aggregator that sees owls everywhere, nine times in ten."""
    settings.OUTGOING_LOOPBACK = True
    with Listener(aggregated.owls) as listener:
        yield listener
