from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import RequestFactory

from marketplace.core import money
from payments import amounts
from tasks.web import prepaying
from tests import make

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("currency", sorted(money.DECIMALS))
@pytest.mark.parametrize("missing_micros", [1, 9_999, 10_000, 2_345_678_901])
def test_the_link_asks_for_no_less_than_is_missing_and_for_what_can_be_moved(settings, currency, missing_micros):
    settings.CURRENCIES = list(money.DECIMALS)
    link = prepaying.link(RequestFactory().get("/here"), make.project(), missing_micros, currency)
    said = {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}
    amount_micros = money.parse(said["amount_micros"])
    amounts.check(amount_micros, said["currency"], least=missing_micros, most=10**15)
    assert amount_micros - missing_micros < money.least_micros(currency)
    assert said["next"] == "/here"
