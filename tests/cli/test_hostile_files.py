"""Files that a user was given: whatever is in them, a result or one sentence, never a traceback."""

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from build_help import Commands, is_sentence
from hostile_help import mutated, spoiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify._util.outside import read_given
from instructify.catalog import load_catalog
from instructify.commands.score import ScoreRequest, result_lines, scored
from instructify.metrics import read_predictions
from instructify.readers import RawFile, load_ocr
from instructify.recipe import load_mixture, load_waivers
from instructify.templating import load_templates

ROOT = Path(__file__).parents[2]
FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
DATASETS = ("vizwiz", "gqa", "nocaps", "visdial", "hateful_memes")
PREDICTIONS = [
    {"id": number, "prediction": text, "score": 0.5, "scores": [0.1, 0.2]}
    for number, text in enumerate(("a cat", "yes", "no dog", "2"))
]
REFERENCES = [
    {
        "id": number,
        "references": [text] * 3,
        "label": number % 2,
        "gold": 1,
        "choices": ["a", "b"],
        "relevance": [0.5, 1.0],
        "subset": "s",
        "difficult": False,
    }
    for number, text in enumerate(("a cat", "yes", "dog", "two"))
]
OCR: dict[str, Any] = {"data": [{"image_id": "x", "ocr_tokens": ["a", "b"]}] * 3}
CATALOG = """\
format: 1
datasets:
  plants:
    title: Plants
    task: image_qa
    role: held-in
    table:
      files: {train: train.csv}
      columns: {picture: image, question: q, answer: a}
"""


def only_sentences(read: Callable[[], object]) -> None:
    """Call something that may refuse what it reads, in one line."""
    with suppress(UserError):
        read()


def as_bytes(data: st.DataObject, value: Any, dump: Callable[[Any], bytes]) -> bytes:
    """Draw a file: values that are wrong, or bytes that are."""
    if data.draw(st.booleans()):
        return data.draw(spoiled(dump(value)))
    return dump(data.draw(mutated(value)))


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def yaml_bytes(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode()
    except UnicodeEncodeError:
        return b"format: 1"


@given(st.data())
@FEW
def test_predictions_and_references(tmp_path: Path, data: st.DataObject) -> None:
    dataset = data.draw(st.sampled_from(DATASETS))
    files = {"p": (PREDICTIONS, tmp_path / "p.json"), "r": (REFERENCES, tmp_path / "r.json")}
    which = data.draw(st.sampled_from(("p", "r")))
    for name, (value, path) in files.items():
        path.write_bytes(as_bytes(data, value, json_bytes) if name == which else json_bytes(value))
    request = ScoreRequest(
        name=dataset,
        predictions=files["p"][1],
        references=files["r"][1],
        build=None,
        split=None,
        form=None,
        variant=None,
        allow_missing=True,
        catalog_file=None,
    )
    only_sentences(lambda: [*result_lines(scored(request))])


@given(st.data())
@FEW
def test_ocr_files(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "ocr.json"
    path.write_bytes(as_bytes(data, OCR, json_bytes))
    only_sentences(lambda: load_ocr(RawFile("ocr.json", path)))


@given(st.data())
@FEW
def test_catalogs(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_bytes(as_bytes(data, yaml.safe_load(CATALOG), yaml_bytes))
    only_sentences(lambda: load_catalog(extra=path))


@given(st.data())
@FEW
def test_recipes(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "recipe.yaml"
    whole = next(iter(sorted((ROOT / "train" / "recipes").glob("*.yaml"))))
    path.write_bytes(as_bytes(data, yaml.safe_load(whole.read_text("utf-8")), yaml_bytes))
    only_sentences(lambda: (load_mixture(str(path)), load_waivers(str(path))))


@given(st.data())
@FEW
def test_templates(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "image_qa.yaml"
    whole = yaml.safe_load((ROOT / "templates" / "image_qa.yaml").read_text("utf-8"))
    whole["templates"] = whole["templates"][:2]
    path.write_bytes(as_bytes(data, whole, yaml_bytes))
    only_sentences(lambda: load_templates(tmp_path))


def test_a_template_that_made_a_traceback_is_a_sentence(tmp_path: Path, command: Commands) -> None:
    (tmp_path / "image_qa.yaml").write_text(
        "format: 1\ntask: image_qa\ntemplates:\n  - id: evil\n    version: 1\n    forms: [open]\n"
        '    instruction: "{% autoescape true %}{{question}}{% endautoescape %}"\n'
        '    response: "{{ answer }}"\n'
    )
    done = command("lint", "--templates", tmp_path)
    assert done.code == 1
    assert "image_qa.yaml:7 evil" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_control_characters_of_a_message_are_shown_and_not_sent(
    tmp_path: Path, command: Commands
) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(json_bytes([{"id": 1, "label": "\x1b[2J\nroot"}]))
    done = command("score", "hateful_memes", path, "--references", path)
    assert done.code == 2
    assert is_sentence(done)
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("id_", ["a" * 1_000_000, "\x1b" * 100_000, "圖" * 100_000])
def test_a_message_is_short_whatever_it_shows(tmp_path: Path, command: Commands, id_: str) -> None:
    for name, ids in (("p", (id_,)), ("r", ("1",))):
        values = [{"id": id, "score": 0.5, "label": 1} for id in ids]
        (tmp_path / f"{name}.json").write_bytes(json_bytes(values))
    done = command(
        *("score", "hateful_memes", "--predictions", tmp_path / "p.json"),
        *("--references", tmp_path / "r.json"),
    )
    assert is_sentence(done)
    assert "no item has that id" in done.stderr
    assert len(done.stderr) < 30_000


def _in_folder(folder: Path) -> Path:
    return folder / "image_qa.yaml"


READS: dict[str, Callable[[Path], object]] = {
    "a catalog": lambda folder: load_catalog(extra=_in_folder(folder)),
    "templates": lambda folder: load_templates(folder),
    "a recipe's mixture": lambda folder: load_mixture(str(_in_folder(folder))),
    "a recipe's waivers": lambda folder: load_waivers(str(_in_folder(folder))),
    "predictions": lambda folder: read_predictions(_in_folder(folder), "vqa"),
}


def _link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


PLACED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to a pipe": _link_to_pipe,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to standard input": lambda path: path.symlink_to("/dev/stdin"),
}


@pytest.mark.parametrize("what", PLACED)
@pytest.mark.parametrize("read", READS)
def test_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, read: str, what: str
) -> None:
    PLACED[what](_in_folder(tmp_path))
    with pytest.raises(UserError, match=r"is a (pipe|device) and should be a file"):
        READS[read](tmp_path)


def test_a_pipe_of_the_shell_is_read_to_its_end() -> None:
    """As in `--catalog <(generate)`, whose name is /dev/fd/63; the writer may be slow."""
    text = b"x" * 3_000_000
    source, sink = os.pipe()

    def write() -> None:
        time.sleep(0.05)
        with open(sink, "wb") as handle:
            handle.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_given(Path(f"/dev/fd/{source}")) == text
    thread.join()
    os.close(source)


@pytest.mark.parametrize("size", [10, 11, 5_000_000])
def test_of_a_given_file_no_more_than_the_bound_is_read(tmp_path: Path, size: int) -> None:
    (tmp_path / "x").write_bytes(b"x" * size)
    if size == 10:
        assert read_given(tmp_path / "x", 10) == b"x" * size
        return
    with pytest.raises(UserError, match="more than 10 bytes"):
        read_given(tmp_path / "x", 10)
    with pytest.raises(UserError, match="no name of a file"):
        read_given(tmp_path / "a\0b")
