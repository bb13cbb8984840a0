"""What departs from the published protocols is named, and nothing else."""

import hashlib
from pathlib import Path

import pytest
from build_help import Commands, is_sentence

from instructify._util.errors import UserError
from instructify.catalog.load import load_catalog
from instructify.protocols import published
from instructify.protocols.published import (
    PROBE,
    Fact,
    departures,
    is_published_prompt,
    published_facts,
)
from instructify.protocols.read import check_folder, load_protocols, named_protocol
from instructify.protocols.suites import named_suite
from instructify.results.table import make_table

CATALOG = load_catalog()
HELD_OUT = named_suite("held-out").protocols
PAPER = ("hateful_memes.paper", "vsr.paper", "visdial.paper")
MEME = 'Words on the picture: "{{ text }}". Hateful? Answer:'  # stands for the published wording
DIALOGUE = (
    "{% for turn in history %}{{ turn.question }}? {{ turn.answer }}. {% endfor %}"
    "Question: {{ question }} Short answer:"
)


def parts(name: str, *settings: str, model: str | None = "t5") -> list[str]:
    """List the parts of a protocol that depart."""
    found = named_protocol(CATALOG, name, settings)
    return [one.part for one in departures(found.value(), model)]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> str:
    """Take a wording of our own for the one that is known by its hash alone."""
    rendered = MEME.replace("{{ text }}", PROBE["text"])
    fact = Fact((("paper", hashlib.sha256(rendered.encode()).hexdigest()),))
    known = {
        name: dict(facts) | ({"prompt_sha256": fact} if name == "hateful_memes" else {})
        for name, facts in published_facts().items()
    }
    monkeypatch.setattr(published, "published_facts", lambda: known)
    return MEME


def test_of_all_13_something_is_published_and_of_no_other() -> None:
    assert set(published_facts()) == set(HELD_OUT)
    for name, facts in published_facts().items():
        assert any(key.startswith("prompt") for key in facts), name
        assert "split" in facts
    assert parts("vqav2", "decode.beams=1", "instruction={{ question }}") == []


@pytest.mark.parametrize("name", HELD_OUT)
def test_usual_protocols_depart_where_their_sources_say_so(name: str) -> None:
    """`ours` in front of a setting that is published is a departure, and the other way round."""
    usual = named_protocol(CATALOG, name)
    found = {one.part for one in departures(usual.value(), "t5")}
    reworded = {"vsr", "hateful_memes", "visdial"}
    assert found == ({"prompt"} if name in reworded else {"split"} if name == "vizwiz" else set())
    assert (usual.sources["instruction"] == "ours") == (name in reworded)
    assert (usual.sources["split"] == "ours") == (name == "vizwiz")


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("gqa", ["instruction=Question: {{question}} Short answer:"], []),
        ("gqa", ["instruction=Question: {{ question }} Answer:"], ["prompt"]),
        ("gqa", ["instruction=Question: {{ question | lower }} Short answer:"], ["prompt"]),
        ("gqa", ["instruction=Question: {{ question }}\nShort answer:"], ["prompt"]),
        ("gqa", ["prompt=plain"], ["prompt"]),
        ("gqa", ["qformer_instruction=Question: {{question}} Short answer:"], []),
        ("gqa", ["qformer_instruction={{ question }}"], ["prompt"]),
        ("gqa", ["decode.beams=5"], []),
        ("gqa", ["decode.beams=1"], ["decode"]),
        ("gqa", ["decode.length_penalty=0"], []),
        ("gqa", ["decode.length_penalty=1", "decode.repetition_penalty=1"], ["decode", "decode"]),
        ("gqa", ["score=lavis"], []),
        ("gqa", ["score=lmms"], ["score"]),
        ("nocaps", ["instruction=A short image description:"], []),
        ("nocaps", ["instruction=A short image caption."], ["prompt"]),
        ("textvqa", ["fields.ocr_tokens=all"], ["fields"]),
        ("textvqa", ["fields.ocr_tokens=0"], ["prompt", "fields"]),
        ("scienceqa", ["fields.context=drop"], ["prompt"]),
        ("scienceqa", ["candidates.kind=letters"], []),
        ("msvd_qa", ["frames=8"], ["frames"]),
        ("msvd_qa", ["decode.method=restrict"], ["decode"]),
        ("visdial", [f"instruction=Dialog history: {DIALOGUE}"], []),
        ("visdial", [f"instruction=Dialogue: {DIALOGUE}"], ["prompt"]),
        ("visdial", [f"instruction=Dialog history: {DIALOGUE}", "fields.history=1"], ["prompt"]),
        ("visdial", [f"instruction=Dialog history: {DIALOGUE}", "fields.caption=drop"], []),
    ],
)  # fmt: skip
def test_each_setting_is_compared_by_its_value(
    name: str, settings: list[str], expected: list[str]
) -> None:
    assert parts(name, *settings) == expected


def test_the_printed_wording_is_no_departure_however_it_comes(printed: str) -> None:
    assert parts("hateful_memes") == ["prompt"]
    assert parts("hateful_memes", f"instruction={printed}") == []
    assert parts("hateful_memes.paper", f"instruction={printed}") == []
    assert parts("hateful_memes.paper", f"instruction={printed} ") == ["prompt"]
    assert parts("hateful_memes.paper", f"instruction={printed}", "fields.text=drop") == ["prompt"]
    with_if = '{% if text %}Words on the picture: "{{ text }}". {% endif %}Hateful? Answer:'
    assert is_published_prompt("hateful_memes", with_if)
    assert is_published_prompt("hateful_memes", "Hateful? Answer:") is False
    assert is_published_prompt("vqav2", printed) is None


def test_verbalisers_are_compared_without_their_order() -> None:
    swapped = 'candidates.labels={"yes": ["true", "yes"], "no": ["false", "no"]}'
    fewer = 'candidates.labels={"yes": ["yes"], "no": ["no"]}'
    assert parts("vsr", swapped) == ["prompt"]
    assert parts("vsr", fewer) == ["prompt", "candidates"]


def test_the_rule_of_ranking_is_that_of_the_language_model() -> None:
    """The reference code sums FlanT5's losses with the end token, and Vicuna's without it."""
    assert parts("iconqa", model="t5") == []
    assert parts("iconqa", model="llama") == ["decode"]
    assert parts("iconqa", "decode.mode=lavis", model="llama") == []
    assert parts("iconqa", "decode.mode=lavis", model="t5") == ["decode"]
    assert parts("iconqa", "decode.mode=mean", model=None) == []


@pytest.mark.parametrize("name", PAPER)
def test_a_wording_that_is_not_ours_is_asked_for(name: str, command: Commands) -> None:
    with pytest.raises(UserError, match=r"wording of .* is the paper's"):
        named_protocol(CATALOG, name)
    assert named_protocol(CATALOG, name, ["prompt=plain"]).instruction is None
    told = command("protocols", name)
    assert told.code == 0
    assert "you have to write yourself" in told.stdout
    dataset = name.partition(".")[0]
    usual, paper = load_protocols(CATALOG, dataset)
    assert (usual.id, paper.id) == ("default", "paper")
    assert usual.split == paper.split
    assert usual.candidates == paper.candidates


def test_a_value_that_is_there_already_keeps_its_source() -> None:
    same = named_protocol(CATALOG, "gqa", ["decode.beams=5", "split=testdev"])
    assert same.sources == named_protocol(CATALOG, "gqa").sources
    assert named_protocol(CATALOG, "gqa", ["decode.beams=4"]).sources["decode"] == "set"


def test_own_protocols_stand_before_ours_file_by_file(tmp_path: Path, command: Commands) -> None:
    folder = tmp_path / "protocols"
    folder.mkdir()
    ours = Path("templates/protocols/gqa.yaml").read_text("utf-8")
    (folder / "gqa.yaml").write_text(ours.replace("beams: 5", "beams: 3"), "utf-8")
    assert named_protocol(CATALOG, "gqa", folder=folder).decode.beams == 3
    assert named_protocol(CATALOG, "ivqa", folder=folder).decode.beams == 5
    assert parts("gqa") == []
    changed = departures(named_protocol(CATALOG, "gqa", folder=folder).value())
    assert [one.setting for one in changed] == ["beams"]
    (folder / "gpa.yaml").write_text(ours, "utf-8")
    with pytest.raises(UserError, match=r"gpa\.yaml is not the file of a dataset.*'gqa'"):
        check_folder(CATALOG, folder)
    refused = command("protocols", "--templates", tmp_path)
    assert refused.code == 2
    assert is_sentence(refused)


def test_a_damaged_result_is_compared_all_the_same() -> None:
    """What is read from a folder may hold any text as its prompt."""
    value = named_protocol(CATALOG, "gqa").value() | {"instruction": "{{ nothing.of_this() }}"}
    assert [one.part for one in departures(value)] == ["prompt"]


def test_the_table_of_published_figures_has_the_same_columns() -> None:
    assert make_table({}).columns == HELD_OUT
