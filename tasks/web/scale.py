"""What pictures share: places on a scale from 0 to 1, and names that fit beside it."""


def within(share: float) -> float:
    """The share, or the end of the scale that it lies beyond."""
    return min(max(share, 0.0), 1.0)


def across(share: float, left: float, right: float) -> float:
    """Where the share stands between these two ends."""
    return round(left + (right - left) * within(share), 1)


def percents(left: float, right: float) -> list[tuple[float, str]]:
    """The ticks of a scale from 0 to 100 %: where, and what they say."""
    return [(across(share, left, right), f"{share * 100:.0f} %") for share in (0, 0.25, 0.5, 0.75, 1)]


def short(name: str, most: int) -> str:
    """The name in so many letters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
