"""Bad input through the whole conversion: rejects with reasons, and good neighbours kept."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_help import Commands, is_sentence, ledger, manifest, tree

from instructify._util.resources import find
from instructify.build import Build

TEXT = "{{ 7*7 }} {% for %} <image> </s> [INST] <script> ../../etc/passwd \u202e\u200b caf\u00e9"


@pytest.fixture(name="raw")
def _raw(raw_root: Path, tmp_path: Path) -> Path:
    """A copy of the raw root, to be spoiled."""
    return Path(shutil.copytree(raw_root, tmp_path / "raw"))


def memes(raw: Path) -> list[dict[str, Any]]:
    path = raw / "hateful_memes" / "dev_unseen.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write_memes(raw: Path, rows: list[dict[str, Any]]) -> None:
    lines = [json.dumps(row) + "\n" for row in rows]
    (raw / "hateful_memes" / "dev_unseen.jsonl").write_text("".join(lines), "utf-8")


def convert_memes(command: Commands, raw: Path, out: Path, *more: object) -> dict[str, Any]:
    line = ("--split", "val_unseen", "--max-rejects", 100, "--json")
    done = command("convert", "hateful_memes", "--raw", raw, "--out", out, *line, *more)
    assert done.code == 0, done.stderr
    row: dict[str, Any] = done.json()["datasets"][0]
    return row


def test_a_missing_release_is_said_with_how_to_get_it(command: Commands, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    line = ("--raw", tmp_path / "raw", "--out", tmp_path / "build")
    refused = command("convert", "gqa", *line)
    assert refused.code == 2
    assert f"expected in {tmp_path / 'raw' / 'gqa'}" in refused.stderr
    assert "How to get it" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "build").exists(), "nothing is written before all is found"
    refused = command("convert", "--all", *line)
    assert refused.code == 2
    refused = command("convert", "gqa", "--raw", tmp_path / "nowhere", "--out", tmp_path / "build")
    assert is_sentence(refused)


def test_a_split_that_is_not_there(raw: Path, command: Commands, tmp_path: Path) -> None:
    (raw / "hateful_memes" / "dev_unseen.jsonl").unlink()
    line = ("convert", "hateful_memes", "--raw", raw, "--out", tmp_path / "build")
    refused = command(*line, "--split", "val_unseen")
    assert refused.code == 2
    assert "dev_unseen.jsonl" in refused.stderr
    refused = command(*line, "--split", "vall")
    assert refused.code == 2
    assert "did you mean 'val" in refused.stderr


SPOILERS: dict[str, Callable[[Path], object]] = {
    "picture-missing": lambda path: path.unlink(),
    "picture-empty": lambda path: path.write_bytes(b""),
    "picture-truncated": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "not-a-picture": lambda path: path.write_text("<!DOCTYPE html><html>404</html>"),
}


@pytest.mark.parametrize("reason", SPOILERS)
def test_spoiled_pictures(raw: Path, command: Commands, tmp_path: Path, reason: str) -> None:
    rows = memes(raw)
    spoiled = rows[1]["img"]
    SPOILERS[reason](raw / "hateful_memes" / spoiled)
    out = tmp_path / "build"
    row = convert_memes(command, raw, out)
    assert row["rejects"] == {reason: 1}
    assert row["records"] == len(rows)
    assert row["samples"] == len(rows) - 1
    (reject,) = ledger(out, "hateful_memes")
    assert (reject["source"], reject["position"]) == ("hateful_memes/dev_unseen.jsonl", 1)
    assert (reject["field"], reject["reason"]) == ("pictures", reason)
    assert reject["record_id"] == f"hateful_memes/val_unseen/{rows[1]['id']}"
    assert command("verify", out).code == 0


def test_without_pictures_nobody_looks(raw: Path, command: Commands, tmp_path: Path) -> None:
    shutil.rmtree(raw / "hateful_memes" / "img")
    row = convert_memes(command, raw, tmp_path / "build", "--pictures", "none")
    assert row["rejects"] == {}
    assert row["samples"] == len(memes(raw))


def test_a_picture_that_came_back_is_seen(raw: Path, command: Commands, tmp_path: Path) -> None:
    """Also after a refusal, whose staged work a rerun finds again."""
    path = raw / "hateful_memes" / memes(raw)[0]["img"]
    data = path.read_bytes()
    path.unlink()
    out = tmp_path / "build"
    line = ("convert", "hateful_memes", "--raw", raw, "--out", out, "--split", "val_unseen")
    assert command(*line, "--max-rejects", 0).code == 1
    path.write_bytes(data)
    done = command(*line, "--max-rejects", 0, "--json")
    assert done.code == 0, done.stderr
    assert done.json()["datasets"][0]["rejects"] == {}


@pytest.mark.parametrize(
    "name",
    ["../../secret.png", "/etc/hostname", "img/../../../secret.png", "img/link.png", "~/x.png"],
)
def test_names_that_lead_out_of_the_root(
    raw: Path, command: Commands, tmp_path: Path, name: str
) -> None:
    rows = memes(raw)
    shutil.copyfile(raw / "hateful_memes" / rows[0]["img"], tmp_path / "secret.png")
    (raw / "hateful_memes" / "img" / "link.png").symlink_to(tmp_path / "secret.png")
    rows[0]["img"] = name
    write_memes(raw, rows)
    row = convert_memes(command, raw, tmp_path / "build")
    assert row["samples"] == len(rows) - 1
    assert sum(row["rejects"].values()) == 1
    assert set(row["rejects"]) <= {"path-outside-root", "picture-missing", "bad-value"}


def test_text_stays_text(raw: Path, command: Commands, tmp_path: Path) -> None:
    rows = memes(raw)
    for row in rows:
        row["text"] = TEXT
    write_memes(raw, rows)
    out = tmp_path / "build"
    convert_memes(command, raw, out)
    build = Build.open(out)
    for record in build.records("hateful_memes", "val_unseen"):
        assert record["text"] == TEXT
    shown = [TEXT in row["instruction"] for row in build.samples("hateful_memes", "val_unseen")]
    assert any(shown)
    told = command("inspect", out, "-n", 5)
    assert told.code == 0
    assert "\u202e" not in told.stdout, "control characters are made visible"


def test_of_equal_ids_the_first_stays(raw: Path, command: Commands, tmp_path: Path) -> None:
    rows = memes(raw)
    rows[3]["img"] = rows[2]["img"]  # a meme's id is the name of its picture
    rows[3]["text"] = "the second of that name"
    write_memes(raw, rows)
    out = tmp_path / "build"
    row = convert_memes(command, raw, out)
    assert row["rejects"] == {"duplicate-id": 1}
    assert row["records"] == len(rows) - 1
    (reject,) = ledger(out, "hateful_memes")
    assert (reject["position"], reject["reason"]) == (3, "duplicate-id")
    texts = [record["text"] for record in Build.open(out).records("hateful_memes", "val_unseen")]
    assert "the second of that name" not in texts
    assert len(texts) == len(rows) - 1


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1, 2]",
        b"null",
        b'{"id": 1}',
        b'{"id": NaN, "img": "img/1.png", "label": 0, "text": "x"}',
        b'{"id": 99999, "img": "img/1.png", "label": 0, "text": "\\ud800"}',
        b'{"id": 99999, "img": null, "label": 0, "text": "x"}',
        b'{"id": 99999, "img": "img/\\ud800.png", "label": 0, "text": "x"}',
        b"\xff\xfe\x00",
        b"[" * 5000,
    ],
)
def test_spoiled_lines(raw: Path, command: Commands, tmp_path: Path, line: bytes) -> None:
    path = raw / "hateful_memes" / "dev_unseen.jsonl"
    good = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([good[0], line, *good[1:]]) + b"\n")
    out = tmp_path / "build"
    row = convert_memes(command, raw, out)
    assert row["samples"] == len(good)
    assert sum(row["rejects"].values()) == 1
    (reject,) = ledger(out, "hateful_memes")
    assert reject["position"] == 1
    again = tree(out)
    convert_memes(command, raw, out)
    assert tree(out) == again, "a ledger with odd text is read again like any other"


def test_a_file_cut_in_half_commits_nothing(raw: Path, command: Commands, tmp_path: Path) -> None:
    """However few items the file's end spoils: how many are behind it nobody can tell."""
    out = tmp_path / "build"
    path = raw / "hateful_memes" / "dev_unseen.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 9 // 10 // 50 * 50 + 17])
    line = ("convert", "hateful_memes", "--raw", raw, "--out", out, "--split", "val_unseen")
    refused = command(*line)
    assert refused.code == 1
    assert "val_unseen: a raw file ends in the middle" in refused.stderr
    assert not (out / "manifest.json").exists()
    assert command(*line, "--max-rejects", 100).code == 0
    assert ledger(out, "hateful_memes")[-1]["reason"] == "cut-off"


def test_too_many_rejects_commit_nothing(raw: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / "build"
    line = ("convert", "hateful_memes", "--raw", raw, "--out", out, "--split", "val_unseen")
    for row in memes(raw)[:3]:
        (raw / "hateful_memes" / row["img"]).unlink()
    refused = command(*line)
    assert refused.code == 1
    assert refused.stderr.splitlines()[-1].startswith("instructify: hateful_memes: 3 of ")
    assert not (out / "manifest.json").exists()
    failed = (out / "rejects" / "hateful_memes.failed.jsonl").read_text().splitlines()
    assert [json.loads(row)["reason"] for row in failed] == ["picture-missing"] * 3
    share = refused.stderr.rpartition("--max-rejects ")[2].strip(".\n")
    assert command(*line, "--max-rejects", share).code == 0, "as much as the message says"
    assert not (out / "rejects" / "hateful_memes.failed.jsonl").exists()


def test_a_stored_picture_needs_no_file(raw: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / "build"
    convert_memes(command, raw, out)
    shutil.rmtree(raw / "hateful_memes" / "img")
    write_memes(raw, memes(raw)[::-1])
    assert convert_memes(command, raw, out)["rejects"] == {}
    assert command("verify", out).code == 0


def test_a_refusal_leaves_the_old_build(raw: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / "build"
    line = ("convert", "hateful_memes", "--raw", raw, "--out", out, "--split", "val_unseen")
    assert command(*line, "--pictures", "none").code == 0
    before = {name: sha for name, sha in tree(out).items() if not name.startswith(".staging")}
    write_memes(raw, [{**row, "label": "none of these"} for row in memes(raw)])
    refused = command(*line, "--pictures", "none")
    assert refused.code == 1
    after = tree(out)
    assert {name: after[name] for name in before} == before
    assert command("verify", out).code == 0


def test_rejects_are_counted_in_the_manifest(raw: Path, command: Commands, tmp_path: Path) -> None:
    rows = memes(raw)
    del rows[0]["text"]
    write_memes(raw, rows)
    (raw / "hateful_memes" / rows[1]["img"]).unlink()
    out = tmp_path / "build"
    convert_memes(command, raw, out)
    split = manifest(out)["datasets"]["hateful_memes"]["splits"]["val_unseen"]
    assert split["record_rejects"] == {"missing-field": 1}
    assert split["sample_rejects"] == {"picture-missing": 1}
    assert [row["position"] for row in ledger(out, "hateful_memes")] == [0, 1]


def test_a_record_that_is_lost_at_every_draw(raw: Path, command: Commands, tmp_path: Path) -> None:
    """More rejects than records are 100 %, and all of them may be allowed."""
    templates = Path(shutil.copytree(find("templates"), tmp_path / "mine"))
    path = templates / "visual_dialog.yaml"
    entry = "  - {{id: {}, version: 1, forms: [dialog], instruction: {}, response: {}}}\n"
    blank, answer = "'{{ context }}'", "'{{ answer }}'"
    head = path.read_text().partition("templates:")[0]
    path.write_text(
        head + "templates:\n" + "".join(entry.format(f"blank-{n}", blank, answer) for n in "abc")
    )
    line = ("convert", "visdial", "--raw", raw, "--out", tmp_path / "build", "--draws", 3)
    refused = command(*line, "--templates", templates)
    assert refused.code == 1, refused.stderr
    assert "100.0 %" in refused.stderr
    assert "--max-rejects 100" in refused.stderr
    allowed = (*line, "--templates", templates, "--max-rejects", 100)
    assert command(*allowed).code == 1
    done = command(*allowed, "--allow-empty", "--json")
    assert done.code == 0, done.stderr
    assert done.json()["datasets"][0]["samples"] == 0


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("direct_answers", str(["cup", "cup", "mug"])),
        ("choices", "['a' 'b' 'c' 'd']"),
        ("choices", "array(['a', 'b', 'c', 'd'], dtype=object)"),
    ],
)
def test_lists_printed_as_text_in_every_row_are_one_sentence(
    raw: Path, command: Commands, tmp_path: Path, field: str, written: str
) -> None:
    path = raw / "aokvqa" / "aokvqa_v1p0_val.json"
    rows = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps([{**row, field: written} for row in rows]), "utf-8")
    line = ("--split", "val", "--pictures", "none")
    done = command("convert", "aokvqa", "--raw", raw, "--out", tmp_path / "b", *line)
    assert done.code == 1
    assert done.stderr.count("\n") == 1
    assert f", item 0, {field}: " in done.stderr
    assert "is a list that Python printed as text" in done.stderr


def test_the_refusal_of_a_cut_file_names_its_ledger(
    raw: Path, command: Commands, tmp_path: Path
) -> None:
    path = raw / "aokvqa" / "aokvqa_v1p0_val.json"
    path.write_bytes(path.read_bytes()[:-40])
    line = ("--split", "val", "--pictures", "none")
    done = command("convert", "aokvqa", "--raw", raw, "--out", tmp_path / "b", *line)
    assert done.code == 1
    named = tmp_path / "b" / "rejects" / "aokvqa.failed.jsonl"
    assert f"a raw file ends in the middle (see 'cut-off' in {named})" in done.stderr
    assert '"cut-off"' in named.read_text("utf-8")
