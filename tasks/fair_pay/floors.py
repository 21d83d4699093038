"""The least an hour is to pay: the higher of the operator's floor for the worker's country and the project's own."""

from dataclasses import dataclass

from django.conf import settings

from marketplace.core.pay_floors import ANYWHERE


@dataclass(frozen=True)
class Floor:
    """A floor in one currency; 0: there is none."""

    micros: int  # an hour
    whose: str  # operator or project; empty: there is none
    country: str = ""  # whose minimum it is, where that says it

    def __bool__(self) -> bool:
        return self.micros > 0


def of(own_micros: int, country: str, currency: str) -> Floor:
    """The floor of a worker in this country where the project's own is `own_micros`."""
    named = country if currency in settings.PAY_FLOORS.get(country, {}) else ANYWHERE
    operator_micros = settings.PAY_FLOORS.get(named, {}).get(currency, 0)
    if operator_micros > own_micros:
        return Floor(operator_micros, "operator", "" if named == ANYWHERE else named)
    return Floor(own_micros, "project") if own_micros else Floor(0, "")


def operators(currency: str) -> list[tuple[str, int]]:
    """The operator's floors in a currency, by country; a floor holds in its own currency alone."""
    found = [(country, of_country.get(currency, 0)) for country, of_country in settings.PAY_FLOORS.items()]
    return sorted((country, micros) for country, micros in found if micros)


def may_hold(own_micros: int, currency: str) -> bool:
    """Whether any worker of a project could have a floor."""
    return own_micros > 0 or bool(operators(currency))
