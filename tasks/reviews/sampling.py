"""How likely a label is drawn for review: by what is known of those who answered. No Django."""

from collections.abc import Iterable

USUAL = 0.25  # a worker who is surely right three times in four is sampled at the project's own share
FLOOR = 0.25  # of that, for those who are proven
CEILING = 2.0  # for those who are not, and those of whom nothing is known


def rate(share: float, accuracies: Iterable[float | None]) -> float:
    """The probability with which a label is drawn, where the project asks for `share` of all.

    Each answer multiplies how often it is looked at by the doubt about its worker, and the label takes their mean. All
    is all, and nothing is nothing: no factor changes a share of 1 or 0.

    accuracies  of who answered: how accurate they surely are (the 5 % point); None: nothing is known
    returns     0..1, rising with share and with doubt
    """
    factors = [CEILING if known is None else min(max((1.0 - known) / USUAL, FLOOR), CEILING) for known in accuracies]
    factor = sum(factors) / len(factors) if factors else CEILING
    return float(1.0 - (1.0 - share) ** factor)
