"""Where the marks of pictures of agreement stand."""

from tasks.web import agreement_chart


def test_alphas_stand_on_a_scale_from_0_to_1():
    rows = [
        ("animal", (-0.5, -0.2, 0.0), False),
        ("Which of these animals?", (0.5, 1.0, 1.0), True),
        ("few", (None, 0.8, None), False),
    ]
    below, most, few = agreement_chart.dots(rows).dots
    marks = {text: x for x, text, is_mark in agreement_chart.dots(rows).ticks if is_mark}
    assert below.x == below.low == agreement_chart.LEFT
    assert (most.x, most.high, most.is_perspective) == (agreement_chart.RIGHT, agreement_chart.RIGHT, True)
    assert (few.x, few.low) == (marks[".8"], None)
    assert len(most.name) == agreement_chart.NAME_MOST


def test_the_line_breaks_where_alpha_is_not_known():
    known = (0.5, 0.75, 1.0)
    course = agreement_chart.course([known, known, (None, None, None), known, (None, 0.2, None)])
    assert [len(line.split()) for line in course.lines] == [2, 2]
    assert len(course.points) == 4
    assert course.points[-1].low is None
    assert course.points[0].high == course.top


def test_the_marks_of_the_usual_reading_can_be_left_out():
    known = [(0.5, 0.75, 1.0)] * 2
    assert [text for _, text, _ in agreement_chart.course(known).ticks] == ["0", ".667", ".8", "1"]
    assert [text for _, text, _ in agreement_chart.course(known, is_marked=False).ticks] == ["0", "1"]


def test_one_period_is_no_line():
    assert agreement_chart.course([(0.5, 0.75, 1.0)]) is None
    assert agreement_chart.course([]) is None
