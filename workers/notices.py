"""What people are told, in the same transaction as what it is about."""

from marketplace.core import clock
from marketplace.models import User
from workers.models import Notice


def tell(user: User | int, kind: str, subject: str, text: str = "", link: str = "") -> Notice:
    """Leave a notice for a person; `link` is a path of this site."""
    return Notice.objects.create(
        user_id=user if isinstance(user, int) else user.pk,
        kind=kind,
        subject=subject,
        text=text,
        link=link,
        created_at=clock.now(),
    )


def forget(user: User) -> None:
    """Blank what this person was told; the rows stay."""
    Notice.objects.filter(user=user).update(subject="", text="", link="")
