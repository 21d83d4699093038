import re

import pytest
from django.core.management import CommandError, call_command

from tasks import simulation
from tasks.aggregation.buying import Policy
from tasks.demo import recorded


@pytest.fixture
def files(tmp_path):
    """A crowd of five who all say the same of 30 tasks, and what is right."""
    answers, truth = tmp_path / "answers.csv", tmp_path / "truth.csv"
    rows = [f"t{n},w{worker},{'cat' if n % 2 else 'dog'}" for n in range(30) for worker in range(5)]
    answers.write_text("\n".join(["task,worker,label", *rows]))
    truth.write_text("\n".join(["task,label", *(f"t{n},{'cat' if n % 2 else 'dog'}" for n in range(30))]))
    return answers, truth


def run(capsys, *options):
    call_command("simulate", *options)
    return capsys.readouterr().out


def test_a_table_says_what_each_policy_costs_and_how_right_it_is(files, capsys, tmp_path):
    picture = tmp_path / "curve.svg"
    out = run(
        capsys, "--answers", str(files[0]), "--truth", str(files[1]), "--fixed", "1", "5", "--until", "0.9",
        "--seeds", "2", "--price", "0.10", "--picture", str(picture),
    )  # fmt: skip
    lines = {line[:16].strip(): line.split() for line in out.splitlines()[3:]}
    assert lines["1 each"][2:7] == ["1.00", "20.0%", "3.00", "USD", "100.00%"]
    assert lines["5 each"][2:7] == ["5.00", "100.0%", "15.00", "USD", "100.00%"]
    assert float(lines["until 0.9"][2]) == 2.0
    assert lines["until 0.9"][7:] == ["1.0", "each"]
    assert lines["budget 7.50 USD"][3:6] == ["2.50", "50.0%", "7.50"]
    drawn = picture.read_text()
    assert drawn.count("<circle") == 6
    assert "until it is certain" in drawn
    assert "within a budget" in drawn
    assert re.search(r'points="[\d., ]+"', drawn)


def test_a_budget_buys_what_it_pays_for_and_no_more(files, capsys):
    out = run(capsys, "--answers", str(files[0]), "--fixed", "--until", "--budget", "3.04", "--price", "0.05")
    assert "right: labels that are what all answers together say" in out
    (line,) = out.splitlines()[3:]
    assert line.split()[:6] == ["budget", "3.00", "USD", "2.00", "40.0%", "3.00"]


def test_a_fixed_number_as_right_lies_between_those_that_were_tried():
    fixed = [(5, 0.9), (1, 0.6), (3, 0.8), (7, 0.88)]
    assert simulation.as_fixed(fixed, 0.85) == pytest.approx(4.0)
    assert simulation.as_fixed(fixed, 0.9) == pytest.approx(5.0)
    assert simulation.as_fixed(fixed, 0.5) == 1.0
    assert simulation.as_fixed(fixed, 0.91) is None
    assert simulation.as_fixed([], 0.5) is None


def test_where_no_truth_is_known_all_answers_stand_for_it(files):
    crowd = simulation.recorded(recorded.read(files[0], None))
    assert (crowd.truth >= 0).all()
    assert simulation.trial(crowd, Policy(1, 1), [1]).right == 1.0


def test_a_drawn_crowd_is_more_often_right_with_more_answers():
    crowd = simulation.drawn(300, seed=1)
    one, nine = (simulation.trial(crowd, Policy(count, count), [1, 2]) for count in (1, 9))
    assert one.right + 0.1 < nine.right < 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--price", "dear"], "is not an amount"),
        (["--answers", "nowhere.csv"], "cannot be read"),
        (["--fixed", "0"], "at least"),
        (["--until", "7"], "between 0 and 1"),
        (["--seeds", "0"], "1 or more"),
        (["--tasks", "0"], "1 or more"),
        (["--price", "0"], "more than nothing"),
        (["--budget", "much"], "is not an amount"),
        (["--truth", "truth.csv"], "needs --answers"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said, capsys):
    with pytest.raises(CommandError, match=said):
        run(capsys, *options)
