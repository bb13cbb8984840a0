"""The page of a run: axes that fit what is drawn, figures that say what they are."""

import re

import pytest

from instructify_train.checkpoint import Best
from instructify_train.run.curves import Curve, chart
from instructify_train.run.run_page import best_figure


@pytest.mark.parametrize(
    ("low", "high"), [(6.1, 7.9), (5.9, 8.1), (0.0, 0.0), (6.0, 6.0), (0.0, 0.93), (0.011, 0.012)]
)
def test_the_axis_is_fitted_and_labelled_on_both_sides(low: float, high: float) -> None:
    drawn = chart([Curve("one", [(0, high), (50, low), (100, (low + high) / 2)], 0, False)])
    labels = [float(one) for one in re.findall(r'text-anchor="end">([^<]+)<', drawn)]
    assert labels[0] <= low
    assert high <= labels[-1]
    assert labels[-1] - labels[0] <= 2 * (high - low) or high == low
    assert 2 <= len(labels) <= 8


def test_the_best_says_what_it_is() -> None:
    assert best_figure(Best(step=10, loss=6.5, score=0.0)) == ("best mean score", "0.0 at step 10")
    by_loss = Best(step=1000, loss=6.5, score=None)
    assert best_figure(by_loss) == ("best validation loss", "6.500 at step 1,000")
