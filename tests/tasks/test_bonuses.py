"""Bonuses by hand: 2.00 and 10 % fee, out of what is prepaid."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from marketplace import accounts
from marketplace.core.errors import Forbidden, InsufficientFunds, Invalid, KeyReused
from marketplace.models import AuditEvent, Organisation
from payments import reserves
from payments.models import Account, Entry, ReserveLine
from tasks import audit, batches, bonuses
from tasks.models import Answer, Bonus
from tests import make
from tests.tasks import work
from tests.tasks.paid import prepaid
from workers import profiles
from workers.models import Notice, Worker

pytestmark = pytest.mark.django_db
EACH = 55_000
TWO = 2_000_000


@pytest.fixture
def batch(rita):
    """Wes handed in one page of it."""
    batch = work.published(items=4, redundancy_min=1, redundancy_max=1, page_size=2)
    work.work(work.worker(), batch)
    return batch


def earned(name: str = "wes") -> int:
    return sum(account.balance_micros for account in Account.objects.filter(user=make.user(name)))


def name_of(batch, name: str = "wes") -> str:
    return batch.project.organisation.pseudonym(work.worker(name).public_id)


def give(batch, rita, micros: int = TWO, key: str = "june", reason: str = "Well done.", name: str = "wes") -> Bonus:
    return bonuses.give(batch.project, name_of(batch, name), rita, micros, reason, key)


def test_a_bonus_is_paid_at_once_with_its_fee(batch, rita):
    before, left = prepaid(), reserves.balance(batch.subject)
    bonus = give(batch, rita)
    assert (bonus.amount_micros, bonus.fee_micros, bonus.batch) == (TWO, 200_000, batch)
    assert (earned(), prepaid()) == (TWO, before - 2_200_000)
    assert reserves.balance(batch.subject) == left
    assert ReserveLine.objects.get(name="bonus").amount_micros == 2_200_000
    assert reserves.standing(batch.subject).spent_micros == 2_200_000


def test_the_worker_is_told_how_much_and_what_for(batch, rita, wes):
    give(batch, rita)
    told = Notice.objects.get(user=wes, kind="money")
    assert "2.00 USD" in told.subject
    assert told.text.startswith("Well done.")


def test_under_the_same_key_it_is_paid_once(batch, rita):
    first = give(batch, rita)
    assert give(batch, rita) == first
    assert (earned(), Bonus.objects.count()) == (TWO, 1)
    with pytest.raises(KeyReused):
        give(batch, rita, micros=TWO + 1)
    assert earned() == TWO
    with pytest.raises(IntegrityError, match="bonus_once"), transaction.atomic():
        Bonus.objects.create(
            **{
                name: getattr(first, name) for name in ("organisation", "key", "project", "batch", "worker", "given_by")
            },
            **{name: getattr(first, name) for name in ("amount_micros", "fee_micros", "reason", "given_at")},
            entry=first.entry,
        )


def test_after_close_it_is_paid_too_and_nothing_of_the_rest_is_touched(batch, rita):
    batches.close(batch, rita)
    Answer.objects.filter(state="submitted").update(accept_at="2020-01-01T00:00:00Z")
    work.sweep()
    batch.refresh_from_db()
    assert batch.returned_at
    give(batch, rita)
    assert earned() == TWO + 100_000
    assert reserves.balance(batch.subject) == 0


def test_only_who_worked_in_the_project_gets_one(batch, rita):
    other = work.publish(make.project(batch.project.organisation, title="Other", gold_share=0.0), batch.dataset)
    with pytest.raises(Invalid) as refusal:
        give(other, rita)
    assert refusal.value.facts["errors"][0]["path"] == "bonuses[0].worker"
    with pytest.raises(Invalid, match="1 problems"):
        bonuses.give(batch.project, "w_nobody", rita, TWO, "Well done.", "june")
    accounts.add_member(batch.project.organisation, "wes@example.org", "reviewer", rita)
    with pytest.raises(Invalid) as refusal:
        give(batch, rita)
    assert "member" in refusal.value.facts["errors"][0]["message"]


def test_nobody_who_is_paid_where_a_member_is_gets_one(batch, rita):
    Worker.objects.filter(user__email="wes@example.org").update(kin=[rita.pk])
    with pytest.raises(Invalid) as refusal:
        give(batch, rita)
    assert "paid to the same account" in refusal.value.facts["errors"][0]["message"]
    assert earned() == 0


def test_who_deleted_their_account_gets_none_and_what_was_given_stays_given(batch, rita):
    first, name, wes = give(batch, rita), name_of(batch), work.worker()
    batches.close(batch, rita)
    Answer.objects.filter(state="submitted").update(accept_at="2020-01-01T00:00:00Z")
    work.sweep()
    profiles.erase(wes)
    with pytest.raises(Invalid) as refusal:
        bonuses.give(batch.project, name, rita, TWO, "Well done.", "july")
    assert "deleted their account" in refusal.value.facts["errors"][0]["message"]
    assert bonuses.give(batch.project, name, rita, TWO, "Well done.", "june") == first


def test_what_is_not_prepaid_is_not_given(batch, rita):
    reserves.add(batch.subject, "spare", prepaid() - 2_199_999)
    with pytest.raises(InsufficientFunds) as refusal:
        give(batch, rita)
    assert refusal.value.facts["missing_micros"] == 1
    assert (Bonus.objects.count(), earned()) == (0, 0)


def test_what_is_missing_is_said_for_the_whole_list(batch, rita):
    other = work.publish(batch.project, make.dataset([{"text": "more"}], batch.project.organisation))
    work.work(work.worker("olga"), batch)
    work.work(work.worker("olga"), other)
    reserves.add(batch.subject, "spare", prepaid() - 1_000_000)
    wanted = [bonuses.Wanted(name_of(batch, who), TWO, "Well done.", who) for who in ("wes", "olga")]
    with pytest.raises(InsufficientFunds, match=r"3\.40 USD is missing") as refusal:
        bonuses.give_all(batch.project, rita, wanted)
    assert refusal.value.facts["missing_micros"] == 3_400_000
    assert (Bonus.objects.count(), prepaid()) == (0, 1_000_000)


def test_limits_are_settings(batch, rita, settings):
    settings.BONUS_MOST_MICROS = TWO
    give(batch, rita)
    with pytest.raises(Invalid) as refusal:
        give(batch, rita, micros=TWO + 1, key="july", reason=" ")
    assert [error["path"] for error in refusal.value.facts["errors"]] == [
        "bonuses[0].amount_micros",
        "bonuses[0].reason",
    ]
    settings.BONUSES_AT_ONCE = 1
    with pytest.raises(Invalid, match="1 to 1"):
        bonuses.give_all(batch.project, rita, [bonuses.Wanted(name_of(batch), 1, "x", str(n)) for n in range(2)])


def test_a_stranger_gives_none_nor_does_a_frozen_organisation(batch, rita, sam):
    with pytest.raises(Forbidden):
        give(batch, sam)
    Organisation.objects.update(frozen_at=batch.published_at)
    with pytest.raises(Forbidden):
        give(batch, rita)


def test_a_list_is_paid_as_a_whole_or_not_at_all(batch, rita):
    work.work(work.worker("olga"), batch)
    good = [bonuses.Wanted(name_of(batch, who), TWO, "Well done.", who) for who in ("wes", "olga")]
    bad = [*good, bonuses.Wanted("w_nobody", TWO, "Well done.", "wes")]
    with pytest.raises(Invalid) as refusal:
        bonuses.give_all(batch.project, rita, bad)
    assert {error["path"] for error in refusal.value.facts["errors"]} == {"bonuses[2].worker", "bonuses[2].key"}
    assert Bonus.objects.count() == 0
    given = bonuses.give_all(batch.project, rita, good)
    assert [(bonus.key, bonus.amount_micros) for bonus in given] == [("wes", TWO), ("olga", TWO)]
    assert bonuses.give_all(batch.project, rita, good) == given
    assert (earned("wes"), earned("olga")) == (TWO, TWO)


def test_a_list_is_one_entry_in_which_each_bonus_stands_by_itself(batch, rita, wes):
    work.work(work.worker("olga"), batch)
    rows = [("wes", 1_000_005, "The first."), ("olga", TWO, "The second."), ("wes", 5, "The third.")]
    wanted = [bonuses.Wanted(name_of(batch, who), micros, why, why) for who, micros, why in rows]
    given = bonuses.give_all(batch.project, rita, wanted)
    entry = Entry.objects.get(kind="bonus")
    assert {bonus.entry for bonus in given} == {entry}
    assert entry.key == f"bonus:{given[0].public_id}"
    moved = sorted(entry.transfers.values_list("credit__kind", "amount_micros"))
    assert moved == [("earnings", 1_000_010), ("earnings", TWO), ("fees", 300_000)]
    assert [bonus.fee_micros for bonus in given] == [100_000, 200_000, 0]
    assert [one.text.partition("\n")[0] for one in Notice.objects.filter(user=wes, kind="money").order_by("pk")] == [
        "The first.",
        "The third.",
    ]
    told = AuditEvent.objects.filter(verb="give", target_type="bonus", actor_id=rita.pk).order_by("pk")
    assert [(event.target_id, event.facts["amount_micros"]) for event in told] == [
        (bonus.pk, bonus.amount_micros) for bonus in given
    ]
    assert bonuses.give_all(batch.project, rita, [*wanted[1:], wanted[0]]) == [*given[1:], given[0]]
    assert audit.check() == []


def test_nothing_is_asked_for_each_bonus_once_accounts_are_locked(batch, rita):
    def asked(number):
        rows = [bonuses.Wanted(name_of(batch), 1_000, "Well done.", f"{number}:{n}") for n in range(number)]
        with CaptureQueriesContext(connection) as queries:
            bonuses.give_all(batch.project, rita, rows)
        texts = [query["sql"] for query in queries]
        return texts[next(n for n, text in enumerate(texts) if "payments_account" in text and "FOR NO KEY" in text) :]

    asked(1)  # opens the account
    few, many = asked(2), asked(40)
    assert len(many) == len(few)


def test_a_table_is_read_with_the_line_of_every_error(batch):
    text = f'worker,amount,reason,key\n{name_of(batch)},2.00,"Well\ndone.",a\n\nw_x,two,Well done.,b\n'
    with pytest.raises(Invalid) as refusal:
        bonuses.parse(text)
    assert [error["path"] for error in refusal.value.facts["errors"]] == ["Line 5, amount"]
    first, second = bonuses.parse(text.replace("two", "0.5"))
    assert second == bonuses.Wanted("w_x", 500_000, "Well done.", "b", 5)
    assert (first.reason, first.line) == ("Well\ndone.", 2)
    with pytest.raises(Invalid, match="key is missing"):
        bonuses.parse("worker,amount,reason\n")


def test_what_is_wrong_in_a_table_is_named_by_its_line_and_column_in_their_order(batch, rita, settings):
    settings.BONUS_MOST_MICROS = TWO
    good = "".join(f"{name_of(batch)},1,Well done.,{n}\n" for n in range(7))
    rows = bonuses.parse(f"worker,amount,reason,key\nw_nobody,1,Well done.,x\n{good}{name_of(batch)},9,Well done.,y\n")
    with pytest.raises(Invalid) as refusal:
        bonuses.give_all(batch.project, rita, rows)
    assert [error["path"] for error in refusal.value.facts["errors"]] == ["Line 2, worker", "Line 10, amount"]


def test_a_bonus_is_never_changed_or_taken_back(batch, rita):
    bonus = give(batch, rita)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Bonus.objects.filter(pk=bonus.pk).update(amount_micros=1)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        bonus.delete()
