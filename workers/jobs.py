"""Background steps about people."""

from workers import notices


def mail_notices() -> bool:
    """Send what people chose to be told by e-mail."""
    return notices.mail_due()
