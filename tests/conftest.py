from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as examples

from marketplace.models import User
from payments import gateway, months
from tasks import terms
from tests import apart, make
from tests.stripe import Fake
from tests.stripe.server import KEY, SECRET

# The same examples at every run, however busy the machine is; more of them are for a run of their own
examples.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("same")

# Of what runs on this server, what is in this database: other tests keep transactions open beside us for minutes
OLDEST = """SELECT min(backend_xid::text::bigint) AS oldest FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend'"""
HAVE_ENDED = f"""SELECT coalesce(oldest > %(xid)s OR oldest = pg_current_xact_id_if_assigned()::text::bigint, true)
                 FROM ({OLDEST}) running"""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database of the tests, and a copy of it for commands that get one of their own."""
    with django_db_blocker.unblock(), apart.migrated():
        yield


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No month waits for what runs in another database."""
    monkeypatch.setattr(months, "HAVE_ENDED", HAVE_ENDED)


@pytest.fixture(autouse=True)
def _apart(settings: Any, tmp_path: Path) -> None:
    """Files of a test stay with it; passwords are hashed quickly."""
    terms.of.cache_clear()  # tests change what nobody else does
    settings.PAY_FLOORS = {}  # a test of fair pay says which there are
    settings.PACES = dict.fromkeys(settings.PACES, (0, 1))  # tests are faster than people, and programs
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def rita(db: None) -> User:
    """She requests."""
    return make.user("rita")


@pytest.fixture
def wes(db: None) -> User:
    """He works."""
    return make.user("wes")


@pytest.fixture
def sam(db: None) -> User:
    """A stranger: whatever he asks for does not exist."""
    return make.user("sam")


@pytest.fixture
def ada(db: None) -> User:
    """An admin."""
    return make.user("ada", staff=True)


@pytest.fixture
def as_rita(rita: User) -> Client:
    return signed_in(rita)


@pytest.fixture
def as_sam(sam: User) -> Client:
    return signed_in(sam)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, "allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def stripe(settings: Any) -> Iterator[Fake]:
    """A stand-in for Stripe on this machine; the installation moves test money through it.

    Its events wait until a test says `deliver`, which posts them to our own address.
    """
    client = Client()

    def post(body: str, signature: str) -> int:
        headers = {"Stripe-Signature": signature}
        return client.post("/webhooks/stripe", body, content_type="application/json", headers=headers).status_code

    with Fake() as fake:
        settings.MODE, settings.PLAY_MONEY = "test", False
        settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_URL = KEY, SECRET, fake.url
        fake.listen(post)
        gateway._of.cache_clear()
        yield fake
    gateway._of.cache_clear()
