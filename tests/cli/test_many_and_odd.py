"""Hundreds of datasets, few open files, names that are no text, texts that command a terminal."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from build_help import COMMAND, Answer, Commands, is_sentence
from PIL import Image

from instructify._util.resources import find
from instructify.pictures import wanted_keys

MANY = 300
NOT_TEXT = "bad\udcff"
OBEYED = "\x1b]0;pwned\x07\x1b[2J\x9b2K\r\u202eevil\u2066\x85"


def jpeg(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (shade % 256, shade // 256 * 40, 9)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of many datasets of one picture each, and their files."""
    folder = tmp_path_factory.mktemp("many")
    lines = ["format: 1", "datasets:"]
    columns = "{picture: picture, question: question, answer: answer}"
    for number in range(MANY):
        own = folder / f"raw/ds{number}"
        own.mkdir(parents=True)
        (own / "1.jpg").write_bytes(jpeg(number))
        (own / "t.csv").write_text("picture,question,answer\n1.jpg,q?,a\n")
        lines += [f"  ds{number}:", "    task: image_qa"]
        lines += [f"    table: {{file: t.csv, columns: {columns}}}"]
    (folder / "c.yaml").write_text("\n".join(lines))
    return folder


def names(count: int) -> list[str]:
    return [f"ds{number}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 62, 63, 64, 65, 124, 125, MANY])
def test_each_of_many_releases_is_known_to_name_a_picture(count: int) -> None:
    requests = {f"r{n}": ["shared", f"own{n}", *(["ends"] * (n in (0, count - 1)))]
                for n in range(count)}  # fmt: skip
    keys, releases = wanted_keys(requests)
    found = {key: releases.names(row) for row, key in enumerate(keys.to_pylist())}
    assert found["shared"] == list(requests)
    assert found["ends"] == list(dict.fromkeys(["r0", f"r{count - 1}"]))
    assert all(found[f"own{n}"] == [f"r{n}"] for n in range(count))


def test_many_datasets_are_checked(many: Path, command: Commands) -> None:
    line = ("--catalog", many / "c.yaml", "--raw", many / "raw")
    answer = command("check", *names(MANY), *line)
    assert answer.code == 0, answer.stderr
    assert f"{MANY} records and {MANY} pictures" in answer.stdout


def test_sixty_four_datasets_are_converted_with_few_open_files(many: Path, tmp_path: Path) -> None:
    line = ["--catalog", str(many / "c.yaml"), "--raw", str(many / "raw")]
    limited = ["bash", "-c", 'ulimit -n 64; exec "$@"', "-", *COMMAND]
    done = subprocess.run(
        [*limited, "convert", *names(64), *line, "--out", str(tmp_path / "b"), "--draws", "1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "64 samples" in done.stderr + done.stdout


def refused_or_done(answer: Answer) -> None:
    """A command may not know what to do, but it says so and nothing else."""
    assert answer.code in (0, 1), answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("mode", ["store", "reference"])
def test_paths_that_are_no_text(
    raw_root: Path, tmp_path: Path, command: Commands, mode: str
) -> None:
    raw, out = tmp_path / NOT_TEXT, tmp_path / f"out{NOT_TEXT}"
    (raw / "vqav2").parent.mkdir()
    for name in ("vqav2", "coco"):
        shutil.copytree(raw_root / name, raw / name)
    line = ("convert", "vqav2", "--raw", raw, "--images", raw / "coco", "--pictures", mode)
    first = command(*line, "--out", out / "b")
    assert first.code == 0, first.stderr
    assert "\\udcff" in first.stderr + first.stdout
    plain = command(*line, "--out", tmp_path / "b")
    assert plain.code == 0, plain.stderr
    manifest = (out / "b/manifest.json").read_bytes()
    assert manifest == (tmp_path / "b/manifest.json").read_bytes()
    json.loads(manifest.decode("utf-8"))
    commands: Sequence[tuple[object, ...]] = (
        ("verify", out / "b"),
        ("check", "vqav2", "--raw", raw),
        ("inspect", out / "b"),
        ("diff", tmp_path / "b", out / "b"),
        ("retemplate", out / "b"),
        ("export", out / "b", "--to", "llava", "--out", out / "llava"),
    )
    for words in commands[: 1 if mode == "store" else None]:
        refused_or_done(command(*words))
    for written in out.rglob("*.json"):
        json.loads(written.read_text("utf-8"))


def test_names_behind_links_that_are_no_text_are_refused(tmp_path: Path, command: Commands) -> None:
    own = tmp_path / "raw/mine"
    hidden = own / NOT_TEXT
    hidden.mkdir(parents=True)
    (hidden / "1.jpg").write_bytes(jpeg(1))
    (own / "photos").symlink_to(NOT_TEXT)
    (own / "good.jpg").write_bytes(jpeg(2))
    (own / "t.csv").write_text("p,q,a\nphotos/1.jpg,q?,a\ngood.jpg,q?,a\n")
    (tmp_path / "c.yaml").write_text(
        "format: 1\ndatasets:\n  mine:\n    task: image_qa\n"
        "    table: {file: t.csv, columns: {picture: p, question: q, answer: a}}\n"
    )
    line = ("--catalog", tmp_path / "c.yaml", "--raw", tmp_path / "raw")
    answer = command("convert", "mine", *line, "--out", tmp_path / "b", "--max-rejects", 100)
    assert answer.code == 0, answer.stderr
    assert "1 picture-unreadable" in answer.stdout + answer.stderr
    assert command("check", "mine", *line).code == 1


@pytest.fixture(scope="module")
def obeyed(command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds of data that would command a terminal, in ids, texts and names of files."""
    folder = tmp_path_factory.mktemp("obeyed")
    own = folder / "raw/mine"
    own.mkdir(parents=True)
    (own / "1.jpg").write_bytes(jpeg(1))
    (own / f"{OBEYED}.jpg").write_bytes(jpeg(2))
    for build, answer in (("one", "a"), ("two", f"b{OBEYED}")):
        rows = [
            {"i": f"id{OBEYED}{n}", "p": picture, "q": f"what{OBEYED}?", "a": answer}
            for n, picture in enumerate(["1.jpg", f"{OBEYED}.jpg", f"gone{OBEYED}.jpg"])
        ]
        rows.append({"i": f"id{OBEYED}", "p": "1.jpg", "q": None, "a": answer})  # type: ignore[dict-item]
        (own / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (folder / "c.yaml").write_text(
            "format: 1\ndatasets:\n  mine:\n    task: image_qa\n"
            "    table: {file: t.jsonl, columns: {id: i, picture: p, question: q, answer: a}}\n"
        )
        line = ("--catalog", folder / "c.yaml", "--raw", folder / "raw", "--max-rejects", 100)
        done = command("convert", "mine", *line, "--out", folder / build)
        assert done.code == 0, done.stderr
    return folder


LINES: dict[str, tuple[str, ...]] = {
    "check": ("check", "mine", "--catalog", "{}/c.yaml", "--raw", "{}/raw"),
    "check, JSON": ("check", "mine", "--catalog", "{}/c.yaml", "--raw", "{}/raw", "--json"),
    "inspect": ("inspect", "{}/two"),
    "inspect, JSON": ("inspect", "{}/two", "--json"),
    "explain": ("explain", "{}/two", f"mine/train/id{OBEYED}0#0", "--catalog", "{}/c.yaml"),
    "explain nothing": ("explain", "{}/two", OBEYED),
    "diff": ("diff", "{}/one", "{}/two"),
    "diff, JSON": ("diff", "{}/one", "{}/two", "--json"),
    "lint": ("lint", "{}/two", "--catalog", "{}/c.yaml"),
    "verify": ("verify", "{}/two"),
    "overlap": ("overlap", "{}/two"),
    "export": ("export", "{}/two", "--to", "llava", "--out", "{}/llava"),
    "a dataset that is none": ("convert", f"x{OBEYED}", "--raw", "{}/raw", "--out", "{}/b"),
    "an option that is none": ("convert", f"--x{OBEYED}"),
    "a build that is none": ("verify", f"{{}}/{OBEYED}"),
    "a catalog that is none": ("check", "mine", "--catalog", f"{{}}/{OBEYED}", "--raw", "{}/raw"),
    "predictions that are none": ("score", "mine", f"{{}}/{OBEYED}", f"{{}}/{OBEYED}"),
}


@pytest.mark.parametrize("what", LINES)
def test_no_command_prints_what_a_terminal_obeys(
    obeyed: Path, command: Commands, what: str
) -> None:
    answer = command(*(word.replace("{}", str(obeyed)) for word in LINES[what]))
    printed = answer.stdout + answer.stderr
    assert printed
    assert answer.code in (0, 1, 2)
    assert "Traceback" not in printed
    assert not set(printed) & set("\x1b\x9b\r\u202e\u2066\x07\x85")
    if "JSON" in what:
        for document in [answer.stdout] if "inspect" not in what else answer.stdout.splitlines():
            json.loads(document)


def test_what_a_desktop_leaves_is_in_nobodys_way(
    many: Path, tmp_path: Path, command: Commands
) -> None:
    templates = Path(shutil.copytree(find("templates"), tmp_path / "templates"))
    raw = Path(shutil.copytree(many / "raw/ds0", tmp_path / "raw/ds0")).parent
    build, export = tmp_path / "b", tmp_path / "e"
    for folder in (raw, raw / "ds0", templates, build, export):
        folder.mkdir(exist_ok=True)
        for name in ("._image_qa.yaml", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"\0\5\x16\7\xff")
    line = ("--catalog", many / "c.yaml", "--raw", raw, "--templates", templates)
    for _ in range(2):
        done = command("convert", "ds0", *line, "--out", build)
        assert done.code == 0, done.stderr
        (build / "records/._ds0-00000.arrow").write_bytes(b"\0")
    assert command("verify", build).code == 0
    assert command("lint", "--templates", templates).code == 0
    assert command("export", build, "--to", "llava", "--out", export).code == 0
    (export / ".DS_Store").write_bytes(b"\0")
    again = command("export", build, "--to", "llava", "--out", export, "--overwrite")
    assert again.code == 0, again.stderr


@pytest.mark.parametrize("place", ["--raw", "--images", "--out"])
def test_a_link_to_itself_is_one_sentence(
    raw_root: Path, tmp_path: Path, command: Commands, place: str
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    given = {"--raw": raw_root, "--out": tmp_path / "b", place: loop}
    words = [word for pair in given.items() for word in pair]
    assert is_sentence(command("convert", "vqav2", *words))


def test_a_help_text_is_no_data() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "instructify", "convert", "--help"],
        capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert done.returncode == 0
    assert "--raw" in done.stdout


def test_a_name_of_forty_letters_keeps_every_table_within_eighty_columns(
    tmp_path: Path, command: Commands
) -> None:
    long = "photographs_of_plants_of_the_north_v2_ab"
    assert len(long) == 40
    own, build = tmp_path / "raw" / long, tmp_path / "b"
    own.mkdir(parents=True)
    (own / "1.jpg").write_bytes(jpeg(1))
    (own / "t.csv").write_text("picture,question,answer\n1.jpg,q?,a\n2.jpg,q?,b\n1.jpg,,c\n")
    columns = "{picture: picture, question: question, answer: answer}"
    catalog, recipe = tmp_path / "c.yaml", tmp_path / "r.yaml"
    catalog.write_text(
        f"format: 1\ndatasets:\n  {long}:\n    task: image_qa\n"
        f"    table: {{file: t.csv, columns: {columns}}}\n"
    )
    recipe.write_text(f"format: 1\nmixture: {{alpha: 0.5, members: {{{long}: {{}}}}}}\n")
    own_data = (long, "--catalog", catalog, "--raw", tmp_path / "raw")
    export = ("--to", "llava", "--out", tmp_path / "e", "--redistribute", long)
    for line in (
        ("check", *own_data),
        ("convert", *own_data, "--out", build, "--max-rejects", 90),
        ("plan", build, "--recipe", recipe),
        ("export", build, *export),
        ("inspect", build),
        ("verify", build),
    ):
        done = command(*line)
        assert done.code in (0, 1), (line, done.stderr)
        lines = done.stdout.splitlines()
        assert lines
        wide = [text for text in lines if len(text) > 80]
        assert [text for text in wide if str(tmp_path) not in text] == [], line
