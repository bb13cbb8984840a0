"""LLaVA JSON and chat JSON lines: every sample read back as the trainers read it, text and bytes.

The trainers themselves read the same files in `make check-exports`; here is what their code does
with them, and the rules for what their formats can't hold.
"""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from build_help import Commands, is_sentence
from export_help import HOSTILE, Expected, answered, expected, hash_file, receipt, tree

from instructify.exporting.slots import CHAT_SLOTS, LLAVA_SLOTS

HOSTILE_IN_LLAVA = HOSTILE.replace("<image>", "< image>")
HOSTILE_IN_CHAT = HOSTILE_IN_LLAVA.replace("<img>", "< img>")


@pytest.fixture(scope="module")
def llava(odd_build: Path, command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("llava") / "out"
    told = command("export", odd_build, "--to", "llava", "--out", out)
    assert told.code == 0, told.stderr
    return out


@pytest.fixture(scope="module")
def chat(odd_build: Path, command: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("chat") / "out"
    told = command("export", odd_build, "--to", "chat", "--out", out)
    assert told.code == 0, told.stderr
    return out


def llava_rows(out: Path) -> dict[str, dict[str, Any]]:
    lists = [json.loads(path.read_text("utf-8")) for path in sorted(out.glob("*.json"))]
    return {row["id"]: row for rows in lists if isinstance(rows, list) for row in rows}


def one_or_more(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def test_every_answered_sample_is_in_llava(odd_build: Path, llava: Path) -> None:
    rows = llava_rows(llava)
    wanted = list(answered(odd_build))
    assert len(rows) == len(wanted) > 200
    for one in wanted:
        row = rows[one.row["sample_id"]]
        paths = one_or_more(row.get("image")) + one_or_more(row.get("video"))
        assert tuple(hash_file(llava / path) for path in paths) == one.pictures
        slots = "<image>\n" * len(one.pictures)
        human, gpt = row["conversations"]
        assert human == {"from": "human", "value": slots + in_llava(one.row["instruction"])}
        assert gpt == {"from": "gpt", "value": one.row["response"]}


def in_llava(text: str) -> str:
    return text.replace(HOSTILE, HOSTILE_IN_LLAVA)


def test_the_word_of_a_picture_in_data_is_no_slot(odd_build: Path, llava: Path, chat: Path) -> None:
    """The planted question: as many slots as pictures, the rest of the text as it was, counted."""
    hostile = [one for one in answered(odd_build) if HOSTILE in one.row["instruction"]]
    assert len(hostile) == 2  # draws
    rows = llava_rows(llava)
    chats = chat_rows(chat)
    for one in hostile:
        text = rows[one.row["sample_id"]]["conversations"][0]["value"]
        assert text.count("<image>") == 1
        assert HOSTILE_IN_LLAVA in text
        row = chats[one.row["sample_id"]]
        assert row["messages"][0]["content"].count("<image>") == 1
        assert row["prompt"][0]["content"].count("<image>") == 0
        assert HOSTILE_IN_CHAT in row["prompt"][0]["content"]
    assert receipt(llava)["datasets"]["vqav2"]["train"]["slot_words_broken"] == 2
    assert receipt(chat)["datasets"]["vqav2"]["train"]["slot_words_broken"] == 2


def test_slot_words() -> None:
    assert LLAVA_SLOTS.broken("a <im_start><image> b").text == "a < im_start>< image> b"
    assert CHAT_SLOTS.broken("<audio><Image> 1 < 2 <b>") == ("< audio><Image> 1 < 2 <b>", True)
    assert CHAT_SLOTS.broken("2 < 3") == ("2 < 3", False)


def test_pictures_are_written_once_with_right_suffixes(odd_build: Path, llava: Path) -> None:
    wanted = {hashed for one in answered(odd_build) for hashed in one.pictures}
    files = {
        path.stem: path for kind in ("images", "videos") for path in (llava / kind).rglob("*.*")
    }
    assert set(files) == wanted
    assert receipt(llava)["pictures"]["written"] == len(wanted)
    magic = {".jpg": b"\xff\xd8\xff", ".png": b"\x89PNG", ".avi": b"RIFF"}
    assert {path.suffix for path in files.values()} == set(magic)
    for hashed, path in files.items():
        assert path.read_bytes().startswith(magic[path.suffix])
        assert hash_file(path) == hashed


def test_held_out_and_clips_have_files_of_their_own(odd_build: Path, llava: Path) -> None:
    ids = {path.name: set(ids_of(path)) for path in llava.glob("*.json") if path.stem != "export"}
    assert set(ids) == {
        *("train.json", "heldout-test.json", "heldout-video-test.json", "val.json"),
    }
    assert {one.split("/")[0] for one in ids["train.json"]} == {"coco_caption", "vqav2"}
    assert {one.split("/")[0] for one in ids["heldout-test.json"]} == {"iconqa", "scienceqa"}
    assert {one.split("/")[0] for one in ids["heldout-video-test.json"]} == {"msvd_qa"}


def ids_of(path: Path) -> list[str]:
    return [row["id"] for row in json.loads(path.read_text("utf-8"))]


def test_what_is_left_out_is_counted(odd_build: Path, llava: Path) -> None:
    """Samples = written + left out, for every split; sets of captions have no response."""
    told = receipt(llava)["datasets"]
    for (name, split), rows in expected(odd_build).items():
        of = told[name][split]
        assert of["samples"] == len(rows) == of["written"] + sum(of["left_out"].values())
    unanswered = told["vizwiz"]["test"]
    assert unanswered["left_out"] == {"no-response": unanswered["samples"]}
    assert told["coco_caption"]["val"]["written"] == 0


def chat_rows(out: Path) -> dict[str, dict[str, Any]]:
    info = json.loads((out / "dataset_info.json").read_text("utf-8"))
    found = {}
    for of in info.values():
        for line in (out / of["file_name"]).read_text("utf-8").split("\n")[:-1]:
            row = json.loads(line)
            found[row["id"]] = row
    return found


def test_every_answered_sample_is_in_chat(odd_build: Path, chat: Path) -> None:
    rows = chat_rows(chat)
    wanted = list(answered(odd_build))
    assert len(rows) == len(wanted)
    for one in wanted:
        row = rows[one.row["sample_id"]]
        instruction = one.row["instruction"].replace(HOSTILE, HOSTILE_IN_CHAT)
        answer = {"role": "assistant", "content": one.row["response"]}
        assert row["completion"] == [answer]
        assert row["prompt"] == [{"role": "user", "content": instruction}]
        is_clip = one.row["dataset"] == "msvd_qa"
        slots = ("<video>" if is_clip else "<image>") * len(one.pictures)
        slotted = f"{slots}\n{instruction}" if slots else instruction
        assert row["messages"] == [{"role": "user", "content": slotted}, answer]
        paths = row["videos" if is_clip else "images"]
        assert tuple(hash_file(chat / path) for path in paths) == one.pictures


def test_dataset_info_is_what_llama_factory_documents(chat: Path) -> None:
    info = json.loads((chat / "dataset_info.json").read_text("utf-8"))
    assert {"vqav2-train", "msvd_qa-test", "coco_caption-train"} <= set(info)
    assert "coco_caption-val" not in info  # nothing of it has a response
    for name, of in info.items():
        media = "videos" if name.startswith("msvd") else "images"
        assert of["formatting"] == "sharegpt"
        assert of["columns"] == {"messages": "messages", media: media}
        assert of["tags"]["user_tag"] == "user"
        assert (chat / of["file_name"]).is_file()


def test_datasets_reads_the_lines(chat: Path, tmp_path: Path) -> None:
    """The lines that docs/export.md gives a user of TRL."""
    rows = datasets.load_dataset(
        "json",
        data_files=str(chat / "vqav2-train.jsonl"),
        split="train",
        cache_dir=str(tmp_path),
    ).remove_columns("messages")
    rows = rows.map(lambda row: {"images": [str(chat / path) for path in row["images"]]})
    rows = rows.cast_column("images", datasets.List(datasets.Image()))
    assert rows.column_names == ["id", "prompt", "completion", "images"]
    assert rows[0]["images"][0].size > (10, 10)


def test_text_alone(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = ("export", odd_build, "vqav2", "--to", "llava", "--no-pictures", "--out", out)
    assert command(*line).code == 0
    row = json.loads((out / "train.json").read_text("utf-8"))[0]
    assert "image" not in row
    assert "<image>" not in row["conversations"][0]["value"]
    assert not (out / "images").exists()


def test_nothing_to_train_on_is_refused(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    line = ("export", odd_build, "vizwiz", "--out", tmp_path / "out", "--to")
    told = command(*line, "llava")
    assert told.code == 2
    assert is_sentence(told)
    assert "without a response" in told.stderr
    assert not (tmp_path / "out").exists()
    assert command(*line, "parquet").code == 0


def test_limits_draws_and_splits(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    def written(number: int, *options: object) -> list[Expected]:
        out = tmp_path / str(number)
        line = ("export", odd_build, "vqav2", "--to", "llava", "--no-pictures", "--out", out)
        assert command(*line, *options).code == 0
        ids = [one for path in out.glob("[tv]*.json") for one in ids_of(path)]
        counts = receipt(out)["datasets"]["vqav2"]
        assert sum(of["written"] for of in counts.values()) == len(ids)
        for of in counts.values():
            assert of["samples"] == of["written"] + sum(of["left_out"].values())
        by_id = {one.row["sample_id"]: one for one in answered(odd_build)}
        return [by_id[one] for one in ids]

    train = expected(odd_build)["vqav2", "train"]
    first = written(0, "--draws", "first", "--split", "train")
    assert len(train) > len(first) == len({one.row["record_id"] for one in train})
    assert all(one.row["draw"] == 0 for one in first)
    assert written(1, "--limit", 5, "--split", "train") == train[:5]
    both = written(2, "--limit", 3, "--draws", "first")
    assert len(both) == 6
    assert len({one.row["record_id"] for one in both}) == 6


def test_the_same_build_gives_the_same_bytes(
    odd_build: Path, llava: Path, chat: Path, command: Commands, tmp_path: Path
) -> None:
    for shape, before in (("llava", llava), ("chat", chat)):
        out = tmp_path / "elsewhere" / shape
        assert command("export", odd_build, "--to", shape, "--out", out).code == 0
        assert tree(out) == tree(before)
