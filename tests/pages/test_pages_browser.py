"""Pages in a real headless Chromium: they fit a phone, change colours without a script, search.

Skipped where there is no Chromium, unless INSTRUCTIFY_REQUIRE_BROWSER says that there has to be.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from result_help import result

from instructify.pages import Head, Identity
from instructify.results import Evaluated, make_table, read_answers, results_page
from instructify_train.run.run_page import run_page

WIDE, NARROW = (1280, 900), (400, 860)


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.resize(*WIDE)
    yield chromium
    assert chromium.errors == []
    assert [one for one in chromium.requests if not one.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 300 answers, two figures that compare with published ones, and one apart."""
    folder = tmp_path_factory.mktemp("results")
    rows = [
        {"id": f"id{at}", "prediction": f"<b>answer {at}</b>", "instruction": f"Question {at}?",
         "item_score": float(at % 3 == 0)}
        for at in range(300)
    ]  # fmt: skip
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    each = [result("gqa"), result("nocaps", value=1.1), result("vsr", complete=False)]
    answers = [read_answers(folder), [], []]
    page = folder / "results.html"
    page.write_bytes(
        results_page(make_table({"run": each}), {"run": Evaluated(each, answers)}, page)
    )
    return page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"a_dataset_with_a_long_name_{at}" for at in range(13)]
    log: list[dict[str, Any]] = [
        {"step": step, "loss": 9.0 - step / 50, "last_loss": 3.0, "lr": 1e-5 * step,
         "samples_per_s": 9.0, "data_wait": 0.0, "memory_gb": 1.0}
        for step in range(1, 300)
    ]  # fmt: skip
    log += [
        {"step": step, "validation": dict.fromkeys(names, 2.0), "validation_mean": 2.0}
        for step in range(0, 300, 20)
    ]
    facts = {
        "model": "tiny-llama", "parameters": 10, "trained": 5, "batch": 16, "precision": "float32",
        "device": "cpu", "processes": 1, "steps": 300,
    }  # fmt: skip
    page = tmp_path_factory.mktemp("run") / "report.html"
    page.write_bytes(run_page(Head(identity=Identity(kind="Run", name="r")), facts, log, None))
    return page


@pytest.mark.parametrize("kind", ["results", "run"])
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_fits_a_phone_and_changes_its_colours(
    browser: Browser, request: pytest.FixtureRequest, kind: str, *, dark: bool
) -> None:
    page: Path = request.getfixturevalue(kind)
    browser.resize(*NARROW, dark=dark)
    browser.open(page)
    assert browser.run("document.documentElement.scrollWidth") == NARROW[0]
    colour = "getComputedStyle(document.body).backgroundColor"
    before = browser.run(colour)
    assert (sum(map(int, before[4:-1].split(","))) < 200) == dark
    browser.click("#theme-light" if dark else "#theme-dark")
    assert browser.run(colour) != before
    browser.click("#theme-auto")
    assert browser.run(colour) == before


def test_labels_of_a_chart_have_one_size_on_any_width(browser: Browser, run: Path) -> None:
    height = "document.querySelector('.plot text').getBoundingClientRect().height"
    browser.open(run)
    wide = browser.run(height)
    browser.resize(*NARROW)
    browser.open(run)
    assert browser.run(height) == wide
    plots = browser.run("document.querySelectorAll('.plot.small').length")
    assert plots == 13


def test_a_difference_is_that_from_the_chosen_row(browser: Browser, results: Path) -> None:
    shown = (
        "[...document.querySelectorAll('.ours .delta')].filter(d => d.checkVisibility())"
        ".map(d => d.textContent)"
    )
    browser.open(results)
    assert browser.run("document.querySelector('[name=reference]:checked').id") == "ref-7"
    assert browser.run(shown) == ["-9.9", "+1.6"]  # of InstructBLIP FlanT5-XL: 119.9 and 48.4
    browser.click("#ref-4")
    assert browser.run(shown) == ["+11.6", "+5.4"]  # BLIP-2 FlanT5-XXL: 98.4 and 44.6
    browser.click("#ref-0")
    assert browser.run(shown) == []  # Flamingo-3B has neither


def test_all_answers_are_searched_and_stay_text(browser: Browser, results: Path) -> None:
    browser.open(results)
    assert len(browser.texts(".item")) == 12
    assert browser.texts(".item .tag") == ["wrong"] * 8 + ["right"] * 4
    box = "document.querySelector('details.answers')"
    browser.run(f"{box}.open = true")
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert browser.text(".answers output") == "300 of 300 answers, the first 60 shown"
    assert len(browser.texts(".found tbody tr")) == 60
    put = (
        "(f => {{ f.value = {}; f.dispatchEvent(new Event('input')) }})(document.querySelector({}))"
    )
    browser.run(put.format("'question 29'", "'.answers input'"))
    assert browser.text(".answers output") == "13 of 300 answers"
    browser.run(put.format("'right'", "'.answers select'"))
    assert browser.text(".answers output") == "4 of 300 answers"
    assert browser.texts(".found td:nth-child(2)")[0] == "<b>answer 129</b>"
    assert browser.run("document.querySelectorAll('.found b').length") == 0
