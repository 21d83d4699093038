"""The way from where money is missing to the page where it is prepaid, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from marketplace.core import money
from marketplace.core.errors import InsufficientFunds
from marketplace.models import Project


def link(request: HttpRequest, project: Project, missing_micros: int, currency: str) -> str:
    """To the page for prepayments and back, with what is missing filled in, rounded up to what can be moved."""
    least = money.least_micros(currency)
    amount = money.show(-(-missing_micros // least) * least, currency).split()[0].replace(",", "")
    query = urlencode({"amount_micros": amount, "currency": currency, "next": request.get_full_path()})
    return f"{reverse('money', args=[project.organisation.public_id])}?{query}"


@contextmanager
def offered(request: HttpRequest, project: Project, links: dict[str, str], name: str = "prepay") -> Iterator[None]:
    """Note the link under this name where a refusal says what is missing; the refusal goes on."""
    try:
        yield
    except InsufficientFunds as refusal:
        links[name] = link(request, project, refusal.facts["missing_micros"], refusal.facts["currency"])
        raise
