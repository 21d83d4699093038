"""Which sums may be charged or paid out: of a known currency, in whole minor units, within limits."""

from django.conf import settings

from marketplace.core import money
from marketplace.core.errors import Invalid


def check_currency(currency: str) -> None:
    """Raise Invalid unless this installation takes and pays this currency."""
    if currency not in settings.CURRENCIES:
        raise _invalid("currency", "option", f"must be one of {', '.join(settings.CURRENCIES)}")


def check(amount_micros: int, currency: str, *, least: int, most: int) -> None:
    """Raise Invalid unless the amount lies within the limits and a bank can move it."""
    check_currency(currency)
    if not least <= amount_micros <= most:
        limits = f"{money.show(least, currency)} and {money.show(most, currency)}"
        raise _invalid("amount_micros", "range", f"must lie between {limits}")
    whole = money.whole_minor_units(amount_micros, currency)
    if amount_micros != whole:
        raise _invalid("amount_micros", "unit", f"so little cannot be moved; {money.show(whole, currency)} can")


def _invalid(path: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": code, "message": message}])
