"""Protocols of the user's own datasets: by form where no file says otherwise, or by a file."""

from pathlib import Path

import pytest
from build_help import Commands
from own_help import OWN
from shape_entries import catalog_of, entries

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog, load_catalog
from instructify.protocols import has_protocols, named_protocol, protocol_folders, read_questions
from instructify.templating import TemplateFolders

ENTRIES = entries()
PROTOCOL = """
format: 1
dataset: {dataset}
protocols:
  - id: {id}
    version: 1
    split: val
    form: open
    metric: cider
    instruction: "MINE {{{{ question }}}}"
    decode: {{method: generate, beams: 2}}
    score: official
    sources: {{split: ours, instruction: ours, decode: ours, score: ours}}
"""


@pytest.fixture(name="catalog", scope="module")
def _catalog(own_raw: Path) -> Catalog:
    return load_catalog(extra=own_raw / "mine.yaml")


def with_entry(folder: Path, name: str, *lines: str) -> Catalog:
    """Load the catalog with lines put into an entry; a key that it has is replaced."""
    text = OWN
    for line in lines:
        text = text.replace(f"  {name}:\n", f"  {name}:\n    {line}\n")
    path = folder / "changed.yaml"
    path.write_text(text, "utf-8")
    return load_catalog(extra=path)


@pytest.mark.parametrize(
    ("name", "method", "candidates", "metric", "split"),
    [
        ("shapes", "generate", None, "accuracy", "val"),
        ("quiz", "rank", "choices", "accuracy", "test"),
        ("claims", "rank", "labels", "accuracy", "val"),
        ("kinds", "rank", "vocabulary", "accuracy", "val"),
        ("words", "generate", None, "cider", "test"),
    ],
)
def test_closed_sets_are_ranked_and_open_ones_generated(
    catalog: Catalog,
    own_build: Path,
    name: str,
    method: str,
    candidates: str | None,
    metric: str,
    split: str,
) -> None:
    protocol = named_protocol(catalog, name)
    assert (protocol.decode.method, protocol.metric, protocol.split) == (method, metric, split)
    assert (protocol.candidates and protocol.candidates.source) == candidates
    assert protocol.name == name
    questions = read_questions(Build.open(own_build), protocol, catalog, TemplateFolders.of())
    assert questions.is_whole
    assert questions.labelled
    assert all(question.instruction.strip() for question in questions.rows)


@pytest.mark.parametrize(
    ("name", "metric", "scored"),
    [
        ("shapes", "vqa_accuracy", "vqa_accuracy"),
        ("shapes", "cider", "cider"),
        ("quiz", "mrr", "mrr"),
        ("quiz", "vqa_accuracy", "accuracy"),
        ("claims", "auc", "auc"),
        ("claims", "vqa_accuracy", "accuracy"),
        ("words", "accuracy", "accuracy"),
    ],
)
def test_the_metric_is_that_of_the_entry(
    tmp_path: Path, name: str, metric: str, scored: str
) -> None:
    catalog = with_entry(tmp_path, name, f"metric: {metric}")
    assert named_protocol(catalog, name).metric == scored


@pytest.mark.parametrize(
    ("name", "metric"),
    [("shapes", "auc"), ("shapes", "mrr"), ("words", "vqa_accuracy"), ("quiz", "cider")],
)
def test_a_metric_that_cannot_score_a_form_is_refused(
    tmp_path: Path, name: str, metric: str
) -> None:
    with pytest.raises(UserError, match=f"{name}: the metric {metric} can't score records of form"):
        named_protocol(with_entry(tmp_path, name, f"metric: {metric}"), name)


def test_what_is_only_trained_on_is_evaluated_only_when_asked(catalog: Catalog) -> None:
    assert not has_protocols(catalog, "talk")
    with pytest.raises(UserError, match="has no split to evaluate on, only train"):
        named_protocol(catalog, "talk")
    asked = named_protocol(catalog, "talk", ["split=train", "decode.beams=1"])
    assert (asked.split, asked.decode.beams, asked.metric) == ("train", 1, "cider")
    with pytest.raises(UserError, match="there is no protocol for 'llava_detail'"):
        named_protocol(catalog, "llava_detail")


def test_a_held_out_set_of_one_split_is_evaluated_on_that(tmp_path: Path) -> None:
    catalog = with_entry(tmp_path, "talk", "role: held-out")
    assert named_protocol(catalog, "talk").split == "train"


def test_files_replace_and_join(catalog: Catalog, tmp_path: Path) -> None:
    """For an own dataset a file replaces the default; for one of ours an added file joins ours."""
    folder = tmp_path / "mine"
    (folder / "protocols").mkdir(parents=True)
    mine = folder / "protocols" / "shapes.yaml"
    mine.write_text(PROTOCOL.format(dataset="shapes", id="default"))
    (folder / "protocols" / "vqav2.yaml").write_text(PROTOCOL.format(dataset="vqav2", id="mine"))
    added = protocol_folders(TemplateFolders.of(added=[folder]))
    assert named_protocol(catalog, "shapes", folder=added).metric == "cider"
    assert named_protocol(catalog, "vqav2.mine", folder=added).instruction == "MINE {{ question }}"
    usual = named_protocol(catalog, "vqav2", folder=added)
    assert usual == named_protocol(catalog, "vqav2")
    instead = protocol_folders(TemplateFolders.of(folder))
    with pytest.raises(UserError, match=r"no protocol .vqav2\.default."):
        named_protocol(catalog, "vqav2.default", folder=instead)
    again = PROTOCOL.format(dataset="vqav2", id="default")
    (folder / "protocols" / "vqav2.yaml").write_text(again)
    with pytest.raises(UserError, match="the protocol 'default' is also in"):
        named_protocol(catalog, "vqav2", folder=added)


def test_protocols_lists_own_ones(own_raw: Path, command: Commands) -> None:
    catalog = ("--catalog", own_raw / "mine.yaml")
    listed = command("protocols", *catalog).stdout
    for name in ("shapes", "quiz", "claims", "kinds", "words"):
        assert f"\n{name} " in listed
    assert "\ntalk " not in listed
    shown = command("protocols", "quiz", *catalog).stdout
    assert "candidates: choices" in shown


@pytest.mark.parametrize("name", ENTRIES)
def test_every_shape_of_the_page_can_be_evaluated(tmp_path: Path, name: str) -> None:
    """By its form, on a split of its own or on the one that is asked for."""
    path = tmp_path / "one.yaml"
    path.write_text(catalog_of({name: ENTRIES[name]}), "utf-8")
    catalog = load_catalog(extra=path)
    entry = catalog.dataset(name)
    protocol = named_protocol(catalog, name, [f"split={entry.split_names[-1]}"])
    assert protocol.form in entry.forms
    closed = entry.candidates is not None or protocol.form == "binary"
    assert (protocol.decode.method == "rank") == closed
