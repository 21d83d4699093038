"""What templates say of amounts, shares and times, and Markdown made safe."""

import itertools
import re

from django import template
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from marketplace.core import money as amounts
from marketplace.models import Mode
from marketplace.web import markdown as safe

register = template.Library()
OPENED = re.compile(r"<h([1-6])>")
HEADING = re.compile(r"(</?h)([1-6])(>)")


@register.filter
def money(amount_micros: int | None, currency: str) -> str:
    return "" if amount_micros is None else amounts.show(amount_micros, currency)


@register.filter
def other_money(mode: str) -> str:
    """ ", play money" or the like, where it is not the kind of money that moves here now."""
    kinds = {Mode.SANDBOX: "play money", Mode.TEST: "test money", Mode.LIVE: "real money"}
    return "" if mode == settings.MODE else f", {kinds[Mode(mode)]}"


@register.filter
def basis(rate_bp: int) -> str:
    """A rate in basis points: "19 %", "8.25 %"."""
    whole, rest = divmod(rate_bp, 100)
    decimals = f".{rest:02d}".rstrip("0") if rest else ""
    return f"{whole}{decimals} %"


@register.filter
def said(word: str) -> str:
    """A word of the machine as people read it: "payout_failed" is "payout failed"."""
    return word.replace("_", " ")


@register.filter
def percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.0f} %"


@register.filter
def basis_points(share_bp: int) -> str:
    """A fee as a share of the price: 1,000 as "10 %", 1,025 as "10.25 %"."""
    return f"{share_bp / 100:g} %"


@register.filter
def span(seconds: float | None) -> str:
    """A length of time in its two largest units: "1 h 30 min", "3 days", "12 s"."""
    left = round(seconds or 0)
    parts = []
    for size, one, many in ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    return " ".join(parts[:2]) or "0 s"


@register.filter
def markdown(text: str) -> SafeString:
    """Its headings go below those of the page, which stands two deep where Markdown is shown."""
    return mark_safe(HEADING.sub(lambda tag: f"{tag[1]}{min(int(tag[2]) + 2, 6)}{tag[3]}", safe.render(text)))


@register.filter
def passages(text: str) -> SafeString:
    """The same, with a place to link to at each heading: `#passage-1` is the first."""
    number = itertools.count(1)
    placed = OPENED.sub(lambda tag: f'<h{tag[1]} id="passage-{next(number)}">', markdown(text))
    return mark_safe(placed)


@register.filter
def hourly(amount_micros: int, currency: str) -> str:
    """An amount rounded to what the currency's coins can say."""
    unit = amounts.MICROS // 10 ** amounts.DECIMALS.get(currency, 2)
    return amounts.show(round(amount_micros / unit) * unit, currency)


@register.filter
def unlocalised(number: float) -> str:
    """A number as SVG reads it."""
    return f"{number:.1f}"
