"""The command line as users and scripts meet it: shapes, exit codes, one sentence for mistakes."""

import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from build_help import COMMAND, DATASETS, Answer, Commands, is_sentence
from paper_facts import HELD_IN, HELD_OUT
from typer.main import get_command
from typer.testing import CliRunner

from instructify import __version__
from instructify._util.terminal import paragraph
from instructify.catalog.load import load_catalog
from instructify.cli import app
from instructify.schema import PROVENANCE

ROOT = Path(__file__).parents[2]
VERBS = (
    *("catalog", "twin", "check", "lint", "convert", "retemplate", "inspect", "overlap"),
    *("explain", "diff", "verify", "export", "plan", "teach-towers", "train", "merge"),
    *(
        "import",
        "import-templates",
        "import-checkpoint",
        "export-checkpoint",
        "check-model",
        "generate",
    ),
    *("protocols", "eval", "results", "score", "demo"),
)
SAMPLE_FIELDS = {
    *("sample_id", "dataset", "split", "task", "template", "instruction", "response"),
    *("references", "candidates", "pictures", "provenance"),
}


@pytest.fixture(scope="module", name="helps")
def _helps(command: Commands) -> dict[str, Answer]:
    """What each command answers to `--help`."""
    return {verb: command(verb, "--help") for verb in VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help_with_an_example(helps: dict[str, Answer], verb: str) -> None:
    assert helps[verb].code == 0
    assert f"Example: instructify {verb}" in " ".join(helps[verb].stdout.split())


def test_help_has_a_short_option(helps: dict[str, Answer], command: Commands) -> None:
    group: Any = get_command(app)
    assert group.context_settings["help_option_names"] == ["-h", "--help"]
    own = {verb for verb in VERBS if "help_option_names" in group.commands[verb].context_settings}
    assert own == set(), "the commands take the group's"
    assert command("verify", "-h").stdout == helps["verify"].stdout


def test_no_command_shows_help(command: Commands) -> None:
    told = command()
    assert all(verb in told.stdout + told.stderr for verb in VERBS)
    assert command("--version").stdout.strip() == __version__


def test_the_start_is_light() -> None:
    """`instructify --help` loads none of the heavy libraries."""
    heavy = "pyarrow", "numpy", "datasets", "pandas", "PIL", "av", "torch", "transformers"
    code = f"import instructify.cli, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [COMMAND[0], "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_catalog_json(command: Commands) -> None:
    rows = command("catalog", "--json").json()
    assert len(rows) == len(load_catalog().datasets)
    for row in rows:
        assert {"name", "task", "role", "cluster", "release", "media", "metric", "splits"} <= set(
            row
        )
        assert row["role"] in ("held-in", "held-out")
        assert row["cluster"] in (None, "task-seen", "task-unseen")
        assert row["media"] in ("image", "video")
    places = {row["name"]: (row["role"], row["cluster"]) for row in rows}
    assert {places[name] for name in HELD_IN} == {("held-in", None)}
    assert Counter(places[name] for name in HELD_OUT) == {
        ("held-out", "task-seen"): 5,
        ("held-out", "task-unseen"): 8,
    }
    assert command("catalog", "gqa", "--json").json() == [r for r in rows if r["name"] == "gqa"]


def test_catalog_for_reading() -> None:
    told = CliRunner().invoke(app, ["catalog"])
    assert all(name in told.stdout for name in load_catalog().datasets)
    for name in load_catalog().datasets:
        one = CliRunner().invoke(app, ["catalog", name])
        assert one.exit_code == 0
        assert f"instructify convert {name}" in one.stdout


def test_convert_json(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    line = ("convert", "vqav2", "visdial", "--raw", raw_root, "--out", tmp_path / "build")
    done = command(*line, "--pictures", "none", "--json")
    value = done.json()
    assert set(value) == {"datasets", "wall_s"}
    assert value["wall_s"] > 0
    for row in value["datasets"]:
        assert set(row) == {
            *("name", "split", "records", "samples", "pictures", "rejects", "notes"),
        }
        assert row["samples"] >= row["records"] > 0
        assert isinstance(row["rejects"], dict)
    assert {(row["name"], row["split"]) for row in value["datasets"]} >= {
        ("vqav2", "train"),
        ("vqav2", "val"),
    }


def test_results_and_messages_go_different_ways(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("convert", "msvd_qa", "--raw", raw_root, "--out", tmp_path / "build")
    done = command(*line)
    assert done.stdout.splitlines()[-1].endswith(f"instructify inspect {tmp_path / 'build'}")
    assert all(one.startswith(("storing ", "msvd_qa/")) for one in done.stderr.splitlines())


def test_inspect_json(whole_build: Path, command: Commands) -> None:
    for name in DATASETS:
        rows = json_lines(command("inspect", whole_build, name, "-n", 3, "--json"))
        assert rows
        for row in rows:
            assert set(row) >= SAMPLE_FIELDS
            assert set(row["provenance"]) == set(PROVENANCE)
            again = command("inspect", whole_build, "--id", row["sample_id"], "--json")
            assert json_lines(again) == [row]


def test_inspect_fits_eighty_columns(whole_build: Path, command: Commands) -> None:
    for name in DATASETS:
        told = command("inspect", whole_build, name, "-n", 4)
        assert told.code == 0
        for label in ("picture", "instruction", "response", "template", "from"):
            assert re.search(f"^{label} ", told.stdout, re.MULTILINE), label
        wide = [line for line in told.stdout.splitlines() if cells(line) > 80]
        assert wide == []


def test_inspect_of_wide_and_odd_text_fits_too(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    path = raw / "hateful_memes" / "dev_unseen.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        row["text"] = "\u732b\u304c\u3044\u308b" * 40 + " \u001b[31mred\u0007 " + "x" * 200
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ("convert", "hateful_memes", "--raw", raw, "--out", tmp_path / "build")
    assert command(*line, "--split", "val_unseen", "--max-rejects", 100).code == 0
    told = command("inspect", tmp_path / "build", "-n", 3)
    assert [line for line in told.stdout.splitlines() if cells(line) > 80] == []
    assert "\u001b" not in told.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["convert", "vqa2", "--raw", "RAW", "--out", "OUT"], "vqav2"),
        (["convert", "--raw", "RAW", "--out", "OUT"], "--held-in"),
        (["convert", "vqav2", "--out", "OUT"], "--raw"),
        (["convert", "vqav2", "--raw", "RAW"], "--out"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--pictures", "stor"], "'store'"),
        (
            ["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--set", "x"],
            "dataset.option=value",
        ),
        (
            ["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--set", "vqav2.targe=a"],
            "'target'",
        ),
        (
            ["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--set", "vqav2.target=weigted"],
            "'weighted'",
        ),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--set", "gqa.a=b"], "not converted"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--jobs", "0"], "--jobs"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--jobs", "two"], "--jobs"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--limit", "-1"], "--limit"),
        (
            ["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--max-rejects", "200"],
            "--max-rejects",
        ),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--ocr", "nowhere.jsonl"], "--ocr"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--catalog", "no.yaml"], "no.yaml"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--templates", "no"], "no"),
        (["convert", "vqav2", "--raw", "RAW", "--out", "OUT", "--split", "trian"], "'train'"),
        (["catalog", "okvq"], "'okvqa'"),
        (["twin", "--out", "OUT"], "--all"),
        (["twin", "vqav3", "--out", "OUT"], "vqav2"),
        (["twin", "vqav2", "--out", "OUT", "--scale", "0"], "scale"),
        (["inspect", "BUILD", "vqa"], "vqav2"),
        (["inspect", "BUILD", "vqav2", "--split", "tran"], "'train'"),
        (["inspect", "BUILD", "--split", "nothing"], "nothing"),
        (["inspect", "BUILD", "--id", "x"], "dataset/split/id#draw"),
        (["inspect", "BUILD", "--id", "vqav2/train/0#0"], "no sample"),
        (["inspect", "OUT"], "convert"),
        (["verify", "OUT"], "convert"),
        (["overlap", "OUT"], "convert"),
        (["overlap", "BUILD", "--likeness", "tained"], "'trained'"),
        (["overlap", "BUILD", "--vg", "no.json"], "--vg"),
        (["overlap", "BUILD", "--recipe", "papr"], "'paper'"),
        (["explain", "BUILD", "x"], "dataset/split/id#draw"),
        (["diff", "BUILD", "OUT"], "convert"),
        (["retemplate", "OUT"], "convert"),
        (["conver"], "convert"),
        (["verify"], "BUILD"),
        (["convert", "vqav2", "--rwa", "RAW"], "--raw"),
    ],
)
def test_mistakes_are_one_sentence(
    raw_root: Path, whole_build: Path, command: Commands, tmp_path: Path, line: list[str], said: str
) -> None:
    places = {"RAW": str(raw_root), "OUT": str(tmp_path / "out"), "BUILD": str(whole_build)}
    told = command(*[places.get(word, word) for word in line])
    assert told.code == 2, told
    assert is_sentence(told), told.stderr
    assert said in told.stderr
    assert told.stdout == ""


def test_output_that_nobody_reads_on(whole_build: Path) -> None:
    """`instructify inspect BUILD | head -1` ends without a word of complaint."""
    words = " ".join([f"'{COMMAND[0]}'", "-c", f"'{COMMAND[2]}'", "inspect", f"'{whole_build}'"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} -n 500 --json | head -c 100"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_commands_in_the_documents_exist(helps: dict[str, Answer]) -> None:
    """Every option that a document gives to a command of ours is one."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [
        line.strip().lstrip("$ ")
        for page in pages
        for line in page.read_text("utf-8").splitlines()
        if line.strip().lstrip("$ ").startswith("instructify ")
    ]
    assert len(lines) >= 5
    for line in lines:
        words = line.partition(" #")[0].split()[1:]
        if words[0].startswith("-"):
            continue
        assert words[0] in VERBS, line
        for option in re.findall(r"(?<=\s)--[a-z-]+", line.partition(" #")[0]):
            assert option in helps[words[0]].stdout, line


def json_lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.code == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def cells(line: str) -> int:
    """Columns that a terminal takes for a line."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in line
    )


def test_commands_to_copy_are_never_parted() -> None:
    command = "`instructify overlap a/folder/of/mine --html page.html`"
    for words in range(1, 20):
        told = paragraph(f"{'word ' * words}{command} looks", "  > ", "    ")
        assert command in told
        assert all(len(line) <= 80 for line in told.splitlines())
