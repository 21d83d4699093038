import pytest

from marketplace.core.errors import InsufficientFunds, KeyReused
from payments import ledger, reserves
from payments.models import Entry, Reserve
from tests import make
from tests.payments import made
from tests.payments.made import balance

LINES = {"answers": 700, "gold": 300}


def opened(prepaid=1_000):
    project = make.project()
    account = made.prepaid(project.organisation, prepaid)
    return account, reserves.open(project, "batch:1", LINES, 1000, "USD", "sandbox")


def lines():
    return dict(Reserve.objects.get(subject="batch:1").lines.values_list("name", "amount_micros"))


def test_opening_moves_the_sum_of_the_lines_out_of_the_prepayment():
    prepaid, reserve = opened(1_500)
    assert (balance(prepaid), balance(reserve.account)) == (500, 1_000)
    assert lines() == LINES
    assert reserve.fee_bp == 1000


def test_opening_again_is_the_same_reserve():
    prepaid, reserve = opened(1_500)
    assert reserves.open(reserve.project, "batch:1", LINES, 1000, "USD", "sandbox") == reserve
    reserves.add("batch:1", "gold", 100)
    assert reserves.open(reserve.project, "batch:1", LINES, 1000, "USD", "sandbox") == reserve
    assert (balance(prepaid), reserves.balance("batch:1")) == (400, 1_100)
    assert lines() == {"answers": 700, "gold": 400}


def test_opening_again_with_another_sum_is_refused():
    _, reserve = opened(5_000)
    with pytest.raises(KeyReused):
        reserves.open(reserve.project, "batch:1", {"answers": 999}, 1000, "USD", "sandbox")
    assert lines() == LINES


def test_opening_without_the_money_says_how_much_is_missing_and_leaves_nothing():
    with pytest.raises(InsufficientFunds) as refusal:
        opened(999)
    assert refusal.value.facts["missing_micros"] == 1
    assert not Reserve.objects.exists()


def test_money_of_another_currency_is_not_there():
    project = make.project()
    made.prepaid(project.organisation, 1_000)
    with pytest.raises(InsufficientFunds) as refusal:
        reserves.open(project, "batch:1", LINES, 1000, "EUR", "sandbox")
    assert refusal.value.facts == {"missing_micros": 1_000, "currency": "EUR"}


def test_adding_grows_a_line_or_makes_it():
    prepaid, _ = opened(1_500)
    reserves.add("batch:1", "answers", 100)
    reserves.add("batch:1", "appeals", 200)
    assert lines() == {"answers": 800, "gold": 300, "appeals": 200}
    assert (balance(prepaid), reserves.balance("batch:1")) == (200, 1_300)


def test_adding_without_the_money_changes_no_line():
    opened()
    with pytest.raises(InsufficientFunds) as refusal:
        reserves.add("batch:1", "appeals", 200)
    assert refusal.value.facts["missing_micros"] == 200
    assert lines() == LINES


def test_releasing_moves_back_and_shrinks_the_line():
    prepaid, _ = opened()
    reserves.release("batch:1", 250, "gold")
    assert lines() == {"answers": 700, "gold": 50}
    assert (balance(prepaid), reserves.balance("batch:1")) == (250, 750)


def test_no_more_is_released_than_its_line_holds():
    opened()
    with pytest.raises(InsufficientFunds) as refusal:
        reserves.release("batch:1", 301, "gold")
    assert refusal.value.facts["missing_micros"] == 1
    assert lines() == LINES


def test_no_more_is_released_than_was_left_unspent():
    _, reserve = opened()
    ledger.post_settlement("settle:1", reserve.account, {make.user("wes").pk: 600}, 60)
    with pytest.raises(InsufficientFunds) as refusal:
        reserves.release("batch:1", 700, "answers")
    assert refusal.value.facts["missing_micros"] == 360
    reserves.release("batch:1", 340, "answers")
    assert reserves.balance("batch:1") == 0


def test_each_posting_has_a_key_of_its_own():
    opened(1_500)
    reserves.add("batch:1", "gold", 100)
    reserves.add("batch:1", "gold", 100)
    reserves.release("batch:1", 100, "gold")
    keys = set(Entry.objects.filter(key__startswith="reserve:").values_list("kind", "key"))
    assert keys == {
        ("reserve", "reserve:batch:1"),
        ("reserve", "reserve:batch:1:1"),
        ("reserve", "reserve:batch:1:2"),
        ("release", "reserve:batch:1:3"),
    }


def test_all_but_what_is_owed_goes_back_from_one_line_after_the_other():
    prepaid, reserve = opened()
    ledger.post_settlement("settle:1", reserve.account, {make.user("wes").pk: 100}, 10)
    assert reserves.release_all_but("batch:1", 150) == 740
    assert lines() == {"answers": 260, "gold": 0}
    assert (balance(prepaid), reserves.balance("batch:1")) == (740, 150)
    assert reserves.release_all_but("batch:1", 200) == 0
    assert reserves.release_all_but("batch:1", 0) == 150
    assert (balance(prepaid), reserves.balance("batch:1")) == (890, 0)


def test_what_is_counted_to_another_line_stays_set_aside_and_no_line_gives_more_than_it_has():
    prepaid, _ = opened(1_500)
    reserves.shift("batch:1", 200, "answers", to="gold")
    assert lines() == {"answers": 500, "gold": 500}
    reserves.shift("batch:1", 600, "gold", to="appeals")
    assert lines() == {"answers": 500, "gold": 0, "appeals": 500}
    assert (balance(prepaid), reserves.balance("batch:1")) == (500, 1_000)
