"""The page in a real headless Chromium: it shows, filters, answers the keyboard, asks for nothing.

Skipped where there is no Chromium, unless INSTRUCTIFY_REQUIRE_BROWSER says that there has to be.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from build_help import Commands
from page_help import HOSTILE, blocks, make_hostile_build, rows

from instructify_train.model.tokens import Limits, SampleTokens
from instructify_train.tiny.presets import build_preset

WIDE, NARROW = (1280, 800), (390, 844)


@pytest.fixture(scope="module")
def command(torch_command: Commands) -> Commands:
    """Pages show what a tokenizer makes of a sample."""
    return torch_command


@pytest.fixture(scope="module")
def page(command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = make_hostile_build(command, tmp_path_factory.mktemp("seen"))
    path = build.parent / "page.html"
    answer = command("inspect", build, "--html", path)
    assert answer.code == 0, answer.stderr
    return path


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A wide window; whatever a test does in it, nothing may be logged or asked of the network."""
    chromium.resize(*WIDE)
    yield chromium
    assert chromium.errors == []
    assert [one for one in chromium.requests if not one.startswith(("file:", "data:"))] == []


@pytest.fixture
def listed(page: Path) -> list[Any]:
    return rows(page, "listed")


def test_it_opens_from_the_disk_and_shows_a_sample(
    browser: Browser, page: Path, listed: list[Any]
) -> None:
    browser.open(page)
    assert browser.text("h1") == "Build build"
    assert f"all {len(listed)} samples" in browser.text("#counted")
    assert len(browser.texts(".numbers b")) == 4
    datasets = {text.split()[0] for text in browser.texts(".gallery .of")[:4]}
    assert datasets == {"vqav2", "msvd_qa"}
    browser.click(".gallery button")
    assert browser.text(".says.instruction .text") == listed[0]["instruction"]
    assert browser.text(".says.response .text") == listed[0]["response"]
    assert browser.run("document.querySelector('.first img').naturalWidth") > 0
    assert browser.text(".side.drawn h4").startswith(listed[0]["template"].partition("/")[2])
    assert len(browser.requests) > 1, "pictures lie in the page"


def test_only_rows_in_sight_are_in_the_page(
    browser: Browser, page: Path, listed: list[Any]
) -> None:
    browser.open(page)
    assert len(browser.texts(".row")) < 30 < len(listed)
    browser.run("document.querySelector('#list').scrollTop = 1e9")
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert browser.text(".row:last-child .of").startswith(listed[-1]["dataset"])


@pytest.mark.parametrize("name", ["dataset", "split", "task", "form", "template"])
def test_filters_filter(browser: Browser, page: Path, listed: list[Any], name: str) -> None:
    wanted = listed[-1][name]
    left = [one for one in listed if one[name] == wanted]
    browser.open(page)
    offered = browser.run(
        f"[...document.querySelectorAll('#filter-{name} option')].map(o => [o.value, o.text])"
    )
    assert [wanted, f"{wanted} ({len(left)})"] in offered
    browser.run(
        f"(s => {{ s.value = {json.dumps(wanted)}; s.dispatchEvent(new Event('change')) }})"
        f"(document.querySelector('#filter-{name}'))"
    )
    assert f"{name}=" in browser.run("location.hash")
    if len(left) < len(listed):
        assert browser.text("#matched") == f"{len(left)} of {len(listed)} samples"
    assert browser.text(".detail .id") == left[0]["id"]
    browser.click("#clear")
    assert browser.text("#matched") == f"{len(listed)} samples"


def test_filters_add_up_and_lie_in_the_address(
    browser: Browser, page: Path, listed: list[Any]
) -> None:
    one = listed[5]
    browser.open(page, f"#dataset={one['dataset']}&template={one['template']}&q=COLOUR")
    left = [
        other
        for other in listed
        if (other["dataset"], other["template"]) == (one["dataset"], one["template"])
        and "colour" in other["instruction"].lower()
    ]
    assert browser.text("#matched") == f"{len(left)} of {len(listed)} samples"


def test_typing_searches_and_the_keyboard_moves(
    browser: Browser, page: Path, listed: list[Any]
) -> None:
    browser.open(page)
    browser.press("/", *"word199 which", "Enter")
    assert browser.text("#matched") == f"1 of {len(listed)} samples"
    assert "word199" in browser.text(".says.instruction")
    browser.press("c", "g", "j", "j", "k")
    assert browser.text(".detail .id") == listed[1]["id"]
    browser.run("document.querySelector('#list').focus()")
    browser.press("ArrowDown")
    assert browser.text(".detail .id") == listed[2]["id"]
    assert browser.text(".row[aria-selected=true] p") == listed[2]["words"]
    browser.press("G")
    assert browser.text(".detail .id") == listed[-1]["id"]
    browser.press("?")
    assert browser.run("document.querySelector('#help').open")
    browser.press("Escape")
    for key, tab in (("2", "rejects"), ("3", "plots"), ("1", "samples")):
        browser.press(key)
        assert browser.run(f"document.getElementById('{tab}').checkVisibility()")
        assert browser.text("[aria-selected=true][role=tab]").lower().startswith(tab)


def test_the_x_ray_shows_the_label_mask(browser: Browser, page: Path, listed: list[Any]) -> None:
    """Of a known sample: exactly the response and its end are learnt, by the trainer's own ids."""
    one = next(row for row in listed if row["dataset"] == "vqav2" and row["response"])
    processor = build_preset("tiny-llama").processor
    (made,) = SampleTokens(processor, Limits()).encode([one["instruction"]], [one["response"]])
    browser.open(page, f"#sample={one['id'].replace('#', '%23')}")
    code = "[...document.querySelectorAll('[data-track=language] .token')].map(t => [{}])"
    seen = browser.run(code.format("t.dataset.id, t.classList.contains('learnt')"))
    assert seen[0] == [None, False], "the slots"
    assert [int(number) for number, _ in seen[1:]] == made.instruction + made.response
    assert [learnt for _, learnt in seen[1:]] == [False] * len(made.instruction) + [True] * len(
        made.response
    )
    learnt = "".join(browser.texts("[data-track=language] .token.learnt")).replace("\u00b7", " ")
    assert learnt.strip() == f"{one['response']}</s>"
    told = browser.text("[data-track=language] p")
    assert f"{len(made.response)} labels" in told
    colours = browser.run(code.format("getComputedStyle(t).backgroundColor"))
    assert len({tuple(colour) for colour in colours[-len(made.response) :]}) == 1
    assert colours[-1] != colours[2]
    shown = browser.texts("[data-track=qformer] .token")
    assert shown[0] == "[CLS]"
    assert shown[-1] == "[SEP]"


def test_the_x_ray_strikes_out_what_truncation_cut(
    browser: Browser, page: Path, listed: list[Any]
) -> None:
    browser.open(page, "#q=word199")
    processor = build_preset("tiny-llama").processor
    one = next(row for row in listed if "word199" in row["instruction"])
    (made,) = SampleTokens(processor, Limits()).encode([one["instruction"]], [one["response"]])
    cut = browser.texts("[data-track=language] .token.cut")
    assert len(cut) == made.cut_instruction > 0
    line = "getComputedStyle(document.querySelector('.token.cut')).textDecorationLine"
    assert browser.run(line) == "line-through"
    assert f"{made.cut_instruction} tokens cut from the left" in browser.text(
        "[data-track=language] p"
    )
    assert len(browser.texts("[data-track=qformer] .token.cut")) == made.cut_qformer > 0


def test_hostile_text_stays_text(browser: Browser, page: Path, listed: list[Any]) -> None:
    for text in HOSTILE:
        one = next(row for row in listed if text in row["instruction"])
        browser.open(page, f"#sample={one['id'].replace('#', '%23')}")
        assert browser.run("document.title") == "Build build"
        assert (
            browser.run("document.querySelectorAll('img[src=x], .text script, .text b').length")
            == 0
        )
        shown = browser.text(".says.instruction .text")
        for sign in ("\u2028", "\u2029", "\u202e", "\u202c", "\0", "\x1b"):
            assert sign not in shown
            text = text.replace(sign, f"U+{ord(sign):04X}")
        assert text in shown
    browser.open(page, "#q=%3Cimage%3E")
    assert browser.text("#matched").startswith("1 of ")


def test_clips_are_frames(browser: Browser, page: Path) -> None:
    browser.open(page, "#dataset=msvd_qa")
    assert browser.texts(".strip b") == ["1", "2", "3", "4"]
    widths = browser.run("[...document.querySelectorAll('.strip img')].map(i => i.naturalWidth)")
    assert len(widths) == 4
    assert min(widths) > 0
    assert "4 frames" in browser.text("[data-track=language] .slots")


def test_the_open_panel_has_the_focus_and_scrolls(browser: Browser, page: Path) -> None:
    focus = "document.activeElement.id"
    browser.open(page)
    assert browser.run(focus) == "detail"
    for way in ("j", ".gallery button", ".row"):
        browser.open(page)
        if way == "j":
            browser.press("j")
        else:
            browser.click(way)
        assert browser.run(focus) == "detail"
        assert browser.run("document.querySelector('#detail').scrollHeight > innerHeight")
    browser.press("o")
    assert browser.run("document.querySelector('.gallery') !== null")
    for key, panel in (("2", "rejects"), ("3", "plots"), ("1", "detail")):
        browser.press(key)
        assert browser.run(focus) == panel


def test_rejects_open_with_a_table_that_filters(browser: Browser, page: Path) -> None:
    browser.open(page, "#tab=rejects")
    counts = blocks(page)["facts"]["reject_counts"]
    total = sum(count for _, _, count in counts)
    assert len(browser.texts(".reject")) == min(60, len(rows(page, "rejects")))
    assert browser.text(".shown b") == f"{len(rows(page, 'rejects'))} shown of {total}"
    assert len(browser.texts(".counts tbody td button")) == len(counts) + len(
        {c[0] for c in counts}
    )
    browser.click("[data-dataset=vqav2][data-reason=empty-text]")
    assert set(browser.texts(".reject .reason")) == {"empty-text"}
    assert "dataset=vqav2" in browser.run("location.hash")
    browser.click("[data-dataset=vqav2][data-reason=empty-text]")
    assert len(set(browser.texts(".reject .reason"))) > 1
    browser.click("[data-dataset=''][data-reason=empty-text]")
    assert set(browser.texts(".reject .reason")) == {"empty-text"}
    browser.run("document.querySelector('.reject').open = true")
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert '"question": "  "' in browser.text(".reject pre")


def test_damaged_pictures_are_counted_called_so_and_filtered(browser: Browser, page: Path) -> None:
    browser.open(page)
    damaged = [one for one in rows(page, "rejects") if one["reason"] == "picture-truncated"]
    assert browser.texts(".numbers b")[2] == str(len(damaged))
    browser.click(".numbers button:nth-child(3)")
    assert browser.texts(".reject .tag") == ["damaged picture"] * len(damaged)


def test_numbers_and_bars_lead_to_their_samples(
    browser: Browser, page: Path, listed: list[Any]
) -> None:
    browser.open(page)
    cut = [one for one in listed if one["cut"] == "cut"]
    browser.click(".numbers button:nth-child(4)")
    assert browser.text("#matched") == f"{len(cut)} of {len(listed)} samples"
    browser.open(page, "#tab=plots")
    for selector, matching in (
        (".bars a[href*='template=']", "template"),
        (".bars a[href*='split=']", "split"),
        (".bars a[href*='q=']", "dataset"),
    ):
        browser.open(page, "#tab=plots")
        browser.click(selector)
        browser.run("new Promise(done => setTimeout(done, 50))")
        assert browser.run("document.querySelector('#samples').checkVisibility()")
        assert f"{matching}=" in browser.run("location.hash")
    browser.open(page, "#tab=plots")
    assert "rejected" in browser.text(".bars a.bad")
    browser.click(".bars a.bad")
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert browser.run("document.querySelector('#rejects').checkVisibility()")


def test_what_counts_nothing_is_folded_away(browser: Browser, page: Path) -> None:
    browser.open(page, "#tab=plots")
    unused = browser.run("document.querySelectorAll('.zeros .rail').length")
    assert unused > 0
    assert browser.run("document.querySelectorAll('.zeros .rail i').length") == 0
    jumps = browser.texts("#plots .jumps button")
    assert jumps == browser.texts("#plots h2")


def test_plots_are_drawn(browser: Browser, page: Path) -> None:
    browser.open(page, "#tab=plots")
    titles = browser.texts("#plots h2")
    assert titles[:3] == ["Records", "Mixture", "Template use"]
    assert titles[-2:] == ["Lengths in tokens", "Answers"]
    assert browser.run("document.querySelectorAll('#plots .rail i').length") > 20
    assert browser.run("document.querySelectorAll('#plots .spread').length") >= 6


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_reads_it(browser: Browser, page: Path, listed: list[Any], *, dark: bool) -> None:
    browser.resize(*NARROW, dark=dark)
    for fragment in ("", "#tab=rejects", "#tab=plots"):
        browser.open(page, fragment)
        assert browser.run("document.documentElement.scrollWidth") == NARROW[0]
    browser.open(page)
    assert browser.run("document.querySelector('.gallery').checkVisibility()")
    assert browser.run("document.querySelector('#detail').scrollWidth") <= NARROW[0]
    browser.click(".numbers button")
    assert not browser.run("document.querySelector('#detail').checkVisibility()")
    browser.click(".row")
    assert browser.text(".detail .id") == listed[0]["id"]
    assert browser.run("document.querySelector('#detail').scrollWidth") <= NARROW[0]
    browser.click(".back")
    assert browser.run(
        "document.querySelector('#list').checkVisibility({visibilityProperty: true})"
    )
    colour = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour[4:-1].split(","))) < 200) == dark
    browser.press("t")
    assert browser.run("getComputedStyle(document.body).backgroundColor") != colour
    browser.click("#theme-auto")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == colour
