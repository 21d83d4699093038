"""Groups: who is in, who is asked in by letter without learning whether they have an account, and who leaves."""

from datetime import timedelta

import pytest
from django.core import mail

from marketplace.core import clock
from marketplace.core.errors import Forbidden, Invalid, TooManyRequests
from marketplace.models import Organisation
from tests import make
from tests.tasks import work
from workers import groups, jobs, profiles
from workers.models import Group, GroupMember, Invitation, Notice, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(rita) -> Organisation:
    return make.organisation(rita)


@pytest.fixture
def group(lab, rita) -> Group:
    return groups.found(lab, rita, "Ours", "private")


@pytest.fixture
def worker(wes) -> Worker:
    return work.worker("wes")


def inside(group: Group) -> list[Worker]:
    return [member.worker for member in groups.members(group)]


def test_managers_put_workers_in_and_take_them_out_and_the_rows_stay(lab, rita, sam, group, worker):
    name = profiles.introduce(worker, lab)
    assert groups.add(group, rita, [name, name]) == 1
    assert groups.add(group, rita, [name]) == 0
    assert inside(group) == [worker]
    assert Notice.objects.get(user=worker.user_id).subject == "You are in the group “Ours” now"
    for verb in (lambda: groups.add(group, sam, [name]), lambda: groups.remove(group, sam, name)):
        with pytest.raises(Forbidden):
            verb()
    groups.remove(group, rita, name)
    assert inside(group) == []
    assert groups.add(group, rita, [name]) == 1
    assert GroupMember.objects.filter(worker=worker).count() == 2
    with pytest.raises(Invalid):
        groups.add(group, rita, ["w_0123456789abcdef"])


def test_a_name_is_used_once_in_an_organisation(lab, rita, group):
    with pytest.raises(groups.NameTaken):
        groups.found(lab, rita, "Ours")
    olga = make.user("olga")
    assert groups.found(make.organisation(olga), olga, "Ours") != group
    for name, kind in (("", "list"), ("New", "crowd")):
        with pytest.raises(Invalid):
            groups.found(lab, rita, name, kind)


def test_groups_of_the_site_are_the_staffs(rita, ada, worker):
    with pytest.raises(Forbidden):
        groups.found(None, rita, "Everywhere")
    everywhere = groups.found(None, ada, "Everywhere")
    with pytest.raises(groups.NameTaken):
        groups.found(None, ada, "Everywhere")
    invitation = groups.invite(everywhere, ada, worker.user.email)
    groups.accept(invitation, worker)
    assert inside(everywhere) == [worker]


def test_workers_see_their_groups_and_leave(lab, rita, group, worker):
    groups.add(group, rita, [profiles.introduce(worker, lab)])
    assert [one.group for one in groups.of(worker)] == [group]
    groups.leave(group, worker)
    groups.leave(group, worker)
    assert list(groups.of(worker)) == []


def test_an_invitation_is_the_same_with_and_without_an_account_and_reaches_the_confirmed_address(rita, group, worker):
    theirs, nobodys = (groups.invite(group, rita, email) for email in ("WES@example.org", "new@example.org"))
    shown = [(one.email, one.accepted_at, one.expires_at is not None) for one in (theirs, nobodys)]
    assert shown == [("wes@example.org", None, True), ("new@example.org", None, True)]
    assert list(groups.invitations_of(worker.user)) == [theirs]
    for one in (theirs, nobodys):
        jobs.send_invitation(one.pk)
    assert sorted(letter.to[0] for letter in mail.outbox) == ["new@example.org", "wes@example.org"]
    assert len({letter.body for letter in mail.outbox}) == 1  # not even the letters differ
    later = make.user("new", confirmed=False)
    assert list(groups.invitations_of(later)) == []  # the address must be theirs
    later.emailaddress_set.update(verified=True)
    assert groups.accept(groups.invitations_of(later)[0], profiles.of(later)) == group
    assert inside(group) == [profiles.of(later)]


def test_an_invitation_is_used_once_and_its_address_forgotten(rita, group, worker, sam):
    invitation = groups.invite(group, rita, "wes@example.org")
    assert groups.invite(group, rita, "wes@example.org") == invitation
    groups.accept(invitation, worker)
    with pytest.raises(groups.InvitationOver):
        groups.accept(invitation, work.worker("sam"))
    assert Invitation.objects.get(pk=invitation.pk).email == ""
    withdrawn = groups.invite(group, rita, "sam@example.org")
    groups.withdraw(withdrawn, rita)
    jobs.send_invitation(withdrawn.pk)
    assert mail.outbox == []
    with pytest.raises(groups.InvitationOver):
        groups.accept(withdrawn, work.worker("sam"))
    late = groups.invite(group, rita, "sam@example.org")
    Invitation.objects.filter(pk=late.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    assert list(groups.invitations_of(sam)) == []
    with pytest.raises(groups.InvitationOver):
        groups.accept(late, work.worker("sam"))
    assert not groups.forget_invitations()
    assert not Invitation.objects.exclude(email="").exists()


def test_letters_are_counted_for_the_sender_and_the_address(rita, sam, group, settings):
    with pytest.raises(Forbidden):
        groups.invite(group, sam, "new@example.org")
    settings.LIMITS = {**settings.LIMITS, "letter": (2, 3600), "invitation": (3, 3600)}
    groups.invite(group, rita, "new@example.org")
    groups.invite(group, rita, "new@example.org")
    with pytest.raises(TooManyRequests):
        groups.invite(group, rita, "NEW@example.org")
    with pytest.raises(TooManyRequests):
        groups.invite(group, rita, "other@example.org")
