"""What a run counts: samples, labels and losses by member, and what they count in its loss."""

import pytest

from instructify_train.data.stream import Sample
from instructify_train.run.tally import Tally, mean_loss, shares


def sample(member: int) -> Sample:
    return Sample("id", "ask", None, "say", ("key",), "template", member)


def test_shares_of_loss_are_by_weight_and_losses_by_label() -> None:
    """Two steps of two samples: a long answer and a short one, each half of the loss."""
    tally = Tally(["long", "short"], {})
    for _ in range(2):
        tally.add([sample(0), sample(1)], [9, 1], [18.0, 4.0], [0.5 / 9, 0.5])
    rows = tally.flush([tally.take_recent()])
    assert [(one.name, one.samples, one.labels, one.loss) for one in rows] == [
        ("long", 2, 18, 2.0),
        ("short", 2, 2, 4.0),
    ]
    assert [one.loss_share for one in rows] == pytest.approx([0.5, 0.5])
    assert mean_loss(rows) == pytest.approx(0.5 * 2.0 + 0.5 * 4.0), "the mean of the steps' losses"
    assert tally.take_recent() == {"member": {}, "template": {}}


def test_sums_of_an_earlier_version_go_on() -> None:
    """A checkpoint that lacks the shares of the loss is read; they count from there on."""
    before = {"member": {"long": [4.0, 36.0, 72.0]}, "template": {"template": [4.0, 36.0, 72.0]}}
    tally = Tally(["long", "short"], before)
    tally.add([sample(0), sample(1)], [9, 1], [18.0, 4.0], [0.5 / 9, 0.5])
    tally.flush([tally.take_recent()])
    long, short = shares(tally.total["member"])
    assert (long.samples, long.labels, long.loss) == (5, 45, 2.0)
    assert [long.loss_share, short.loss_share] == pytest.approx([0.5, 0.5])
    (alone,) = shares(before["member"])
    assert (alone.loss, alone.loss_share) == (2.0, 0.0)
