"""docs/fidelity.md says what recipes and protocols do, and README no more than it."""

import os
import re
from typing import Any

import pytest
from fidelity_help import ROOT, VERDICTS, bound, page, rows

ROWS = list(rows())
FIDELITY = ROOT / "docs" / "fidelity.md"


def test_the_page_is_rendered_from_its_rows_and_the_protocols() -> None:
    made = page()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        FIDELITY.write_text(made, "utf-8")
    assert FIDELITY.read_text("utf-8") == made, "run this test with UPDATE_GOLDEN=1 and read it"


@pytest.mark.parametrize("row", ROWS, ids=[row["what"] for row in ROWS])
def test_a_row_states_what_is_so(row: dict[str, Any]) -> None:
    assert row["verdict"] in VERDICTS
    assert row.keys() <= {"what", "paper", "ours", "verdict", "source", "check"}
    for check in row.get("check", []):
        for key, stated, value in bound(check):
            assert value == stated, key


def test_a_check_that_does_not_hold_is_seen() -> None:
    wrong = {"recipe": "paper-vicuna-7b", "data.batch": 127, "optimizer.lr": 1e-5}
    found = {key: stated == value for key, stated, value in bound(wrong)}
    assert found == {
        "paper-vicuna-7b: data.batch": False, "paper-vicuna-7b: optimizer.lr": True,
    }  # fmt: skip
    others: tuple[dict[str, Any], ...] = (
        {"templates": "image_captioning", "brief": 15},
        {"templates": "no_such_task", "number": 15},
        {"catalog": "vqav2", "options.target": "weighted"},
    )
    for other in others:
        ((_, stated, value),) = bound(other)
        assert stated != value
    with pytest.raises(AttributeError):
        list(bound({"protocol": "gqa", "decode.beam": 5}))


def test_every_paper_recipe_is_bound() -> None:
    named = {check.get("recipe") for row in ROWS for check in row.get("check", [])}
    files = {path.stem for path in (ROOT / "train" / "recipes").glob("paper-*.yaml")}
    assert files - {"paper-without-capfilt"} <= named


def test_readme_leads_to_the_differences() -> None:
    """Whatever README says of the paper, it names the page with the differences beside it."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "docs/fidelity.md" in readme
    paragraphs = [
        one for one in readme.split("\n\n") if re.search(r"as in the paper|as the paper", one)
    ]
    assert paragraphs
    assert all("docs/fidelity.md" in one for one in paragraphs)
