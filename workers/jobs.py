"""Background work about people; every one may run twice."""

from workers import groups, notices


def mail_notices() -> bool:
    """Send what people chose to be told by e-mail."""
    return notices.mail_due()


def send_invitation(pk: int) -> None:
    groups.send(pk)


def forget_invitations() -> bool:
    """Sweep: keep no address of an invitation that is over."""
    return groups.forget_invitations()
