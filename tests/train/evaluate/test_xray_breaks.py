"""The X-ray says which line breaks a model never reads."""

import pytest

from instructify.inspecting import Text
from instructify_train.evaluate.xray import XRay


@pytest.mark.parametrize(
    ("model", "instruction", "qformer", "lost"),
    [
        ("tiny-llama", "OCR tokens: a\nWrite\nit.", None, (2, 0)),
        ("tiny-t5", "OCR tokens: a\nWrite\nit.", None, (2, 2)),
        ("tiny-t5", "One line.", "Two\nlines.", (1, 0)),
        ("tiny-t5", "One line.", None, (0, 0)),
        ("tiny-llama", "\nNothing is lost at the ends.\n", None, (0, 0)),
    ],
)
def test_lost_line_breaks_are_counted(
    model: str, instruction: str, qformer: str | None, lost: tuple[int, int]
) -> None:
    (reading,) = XRay.open(model).read([Text(instruction, qformer, "x", 1, True)])
    assert reading is not None
    assert reading.lost_breaks == lost


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-t5"])
def test_what_the_qformer_reads_holds_no_line_break(model: str) -> None:
    xray = XRay.open(model)
    (reading,) = xray.read([Text("Look!\nIs it red?", None, "yes", 1, True)])
    assert reading is not None
    text = " ".join(piece.text for piece in xray.pieces("qformer", reading.qformer))
    assert "\n" not in text
    assert reading.lost_breaks[0] == 1
