"""Charts: axes that fit what is drawn, labels, outliers, and values that are not numbers."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify.pages import Series, interval_scale, make_chart, nice_ticks

POINTS = [(0.0, 6.0), (50.0, 8.0), (100.0, 7.0)]


@pytest.mark.parametrize(
    ("low", "high"), [(6.1, 7.9), (5.9, 8.1), (0.0, 0.0), (6.0, 6.0), (0.0, 0.93), (0.011, 0.012)]
)
def test_the_axis_is_fitted_and_labelled_on_both_sides(low: float, high: float) -> None:
    middle = (low + high) / 2
    chart = make_chart("", [Series("one", [(0, high), (50, low), (100, middle)])], y_name="loss")
    labels = [float(tick.label.replace(",", "")) for tick in chart.y_ticks]
    assert labels[0] <= low
    assert high <= labels[-1]
    assert labels[-1] - labels[0] <= 2 * (high - low) or high == low
    assert 2 <= len(labels) <= 8


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_everything_lies_in_the_box(values: list[float]) -> None:
    points = [(float(step), value) for step, value in enumerate(values)]
    chart = make_chart("", [Series("one", points)], y_name="loss", best="lowest", clips=True)
    for mark in (*chart.marks, *chart.ends):
        assert -0.01 <= mark.x <= 100.01
        assert -0.01 <= mark.y <= 100.01
    for line in chart.lines:
        for place in line.points.split():
            x, y = map(float, place.split(","))
            assert -0.1 <= x <= 1000.1
            assert -0.1 <= y <= 1000.1


def test_a_spike_is_left_out_of_the_scale_and_noted() -> None:
    points = [(float(step), 2.0 + step % 5 / 10) for step in range(100)]
    points[40] = (40.0, 5000.0)
    chart = make_chart("", [Series("one", points)], y_name="loss", clips=True)
    assert float(chart.y_ticks[-1].label) < 3
    assert "1 of 100 values" in chart.note
    assert "5000" in chart.note


def test_a_steep_start_is_no_outlier() -> None:
    points = [(float(step), 8.0 * 0.9**step) for step in range(100)]
    chart = make_chart("", [Series("one", points)], y_name="loss", clips=True)
    assert float(chart.y_ticks[-1].label) >= 5
    few = make_chart("", [Series("one", [(0, 1), (1, 1), (2, 900)])], y_name="loss", clips=True)
    assert few.note == ""
    assert float(few.y_ticks[-1].label.replace(",", "")) >= 900


def test_lines_break_where_a_value_is_not_finite() -> None:
    for bad in (math.nan, math.inf, -math.inf):
        points = [(0.0, 1.0), (1.0, 2.0), (2.0, bad), (3.0, 3.0)]
        chart = make_chart("", [Series("one", points)], y_name="loss")
        assert len(chart.lines) == 2
        assert "1 of 4 values are not finite" in chart.note
        assert chart.ends[0].text.startswith("3")
    nothing = make_chart("", [Series("one", [(0.0, math.nan)])], y_name="loss", best="lowest")
    assert [*nothing.lines, *nothing.marks, *nothing.ends] == []
    assert make_chart("", [], y_name="loss").lines == ()


def test_the_best_value_and_the_last_are_marked() -> None:
    chart = make_chart("", [Series("one", POINTS)], y_name="loss", best="lowest")
    assert [mark.text for mark in chart.marks if mark.style == "best"] == ["lowest: 6 at step 0"]
    assert [mark.text for mark in chart.ends] == ["7.00"]
    faint = make_chart("", [Series("one", POINTS, "faint loss")], y_name="loss")
    assert faint.ends == ()


def test_a_long_run_has_few_places_to_point_at() -> None:
    points = [(float(step), 1.0 + step % 3) for step in range(5000)]
    chart = make_chart("", [Series("one", points)], y_name="loss")
    assert 40 <= len(chart.marks) <= 122
    assert "step 4,999" in chart.marks[-1].text


def test_small_rates_are_written_short() -> None:
    points = [(0.0, 5e-4), (1.0, 1.2e-7)]
    chart = make_chart("", [Series("rate", points)], y_name="learning rate")
    assert chart.ends[0].text == "1e-07"


def test_an_interval_has_a_scale() -> None:
    scale = interval_scale(0.5, (0.4, 0.7), 2.0, published=1.2)
    assert [tick.label for tick in scale.ticks] == ["0", "0.5", "1", "1.5", "2"]
    assert (scale.at, scale.low, round(scale.width, 6), scale.published) == (25, 20, 15, 60)
    assert interval_scale(3.0, (-1.0, 9.0), 1.0)[:3] == (100, 0, 100)
    assert interval_scale(math.nan, (math.nan, math.nan), 1.0)[:3] == (0, 0, 0.3)


def test_ticks_are_round() -> None:
    assert nice_ticks(0, 100) == [0, 20, 40, 60, 80, 100]
