from collections.abc import Iterator

import pytest

from tasks import audit


@pytest.fixture(autouse=True)
def _audited(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did with work and money, every promise holds afterwards."""
    yield
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        assert audit.check() == []
