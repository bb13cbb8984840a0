"""`instructify score` as people meet it: files and builds in, one object or a table out."""

import bz2
import gzip
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from build_help import Answer, Commands, is_sentence

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.metrics.files import read_predictions

FIELDS = {
    *("dataset", "metric", "variant", "value", "metrics", "subsets", "subset_counts"),
    *("count", "missing", "interval", "notes"),
}


@pytest.fixture(name="run")
def _run(command: Commands, tmp_path: Path) -> "Run":
    return Run(command, tmp_path)


class Run:
    """Scores rows given as Python values, or as the text of a file."""

    def __init__(self, command: Commands, folder: Path) -> None:
        self.command = command
        self.folder = folder

    def write(self, name: str, rows: object) -> Path:
        path = self.folder / name
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif isinstance(rows, str):
            path.write_text(rows, "utf-8")
        else:
            assert isinstance(rows, list)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    def __call__(self, dataset: str, predictions: object, references: object, *more: str) -> Answer:
        predicted = self.write("predictions.jsonl", predictions)
        golds = self.write("references.jsonl", references)
        line = ("score", dataset, "--predictions", predicted, "--references", golds, *more)
        return self.command(*line)

    def json(self, *parts: Any) -> dict[str, Any]:
        told = self(*parts, "--json")
        assert told.code == 0, told.stderr
        value: dict[str, Any] = told.json()
        return value


VQA = [{"id": 1, "references": ["cat"] * 10}, {"id": "b", "references": ["dog"] * 9 + ["cat"]}]


def answers(*texts: str) -> list[dict[str, object]]:
    return [{"id": one, "prediction": text} for one, text in zip((1, "b"), texts, strict=False)]


def test_the_json_object(run: Run) -> None:
    value = run.json("vqav2", answers("cat", "cat"), VQA)
    assert set(value) == FIELDS
    assert value["value"] == pytest.approx(0.65)
    assert (value["dataset"], value["metric"], value["variant"]) == (
        "vqav2",
        "vqa_accuracy",
        "official",
    )
    assert (value["count"], value["missing"]) == (2, 0)
    assert value["interval"][0] <= value["value"] <= value["interval"][1]
    assert value["subsets"] == {}


def test_items_keep_the_ids_they_were_given(run: Run) -> None:
    value = run.json("vqav2", answers("cat", "cat"), VQA, "--items")
    assert [item["id"] for item in value["items"]] == [1, "b"]
    assert [item["score"] for item in value["items"]] == pytest.approx([1, 0.3])


def test_lists_and_lines_are_the_same(run: Run) -> None:
    lines = run.json("vqav2", answers("cat", "cat"), VQA)
    whole = run.json("vqav2", json.dumps(answers("cat", "cat"), indent=1), json.dumps(VQA))
    assert lines == whole
    marked = "\ufeff" + "\r\n\r\n".join(json.dumps(row) for row in answers("cat", "cat")) + "\r\n"
    assert run.json("vqav2", marked, VQA) == lines


def test_variants_from_the_command_line(run: Run) -> None:
    for variant, expected in (("official", 0.5), ("lavis", 1), ("mmf", 1)):
        value = run.json("vqav2", answers("Cat.", "dog"), VQA, "--variant", variant)
        assert (value["variant"], value["value"]) == (variant, expected)


def test_auc_mrr_and_cider_from_files(run: Run) -> None:
    memes = run.json(
        "hateful_memes",
        [{"id": 1, "score": 0.9}, {"id": 2, "score": 1}, {"id": 3, "score": -3.5}],
        [{"id": 1, "label": 1}, {"id": 2, "label": True}, {"id": 3, "label": 0}],
    )
    assert (memes["metric"], memes["value"]) == ("auc", 1)
    dialog = run.json(
        "visdial",
        [{"id": 1, "scores": [0.1, 0.9]}, {"id": 2, "scores": [0, -1]}],
        [{"id": 1, "gold": 0, "relevance": [0.2, 1.0]}, {"id": 2, "gold": 0}],
    )
    assert dialog["value"] == dialog["metrics"]["mrr"] == 0.75
    assert set(dialog["metrics"]) == {
        *("mrr", "recall@1", "recall@5", "recall@10", "mean_rank", "ndcg", "ndcg_items")
    }
    captions = run.json(
        "nocaps",
        [{"id": 1, "prediction": "a cat"}, {"id": 2, "prediction": "a\u2028dog"}],
        [
            {"id": 1, "references": ["a cat"], "subset": "in-domain"},
            {"id": 2, "references": ["a dog"], "subset": "out-domain"},
        ],
    )
    assert captions["value"] == pytest.approx(5)
    assert captions["subsets"] == {"in-domain": 0, "out-domain": 0}  # one picture each


def test_options_from_files_in_every_variant(run: Run) -> None:
    golds = [
        {"id": 1, "choices": ["Red", "blue"], "gold": 0},
        {"id": 2, "choices": ["Red", "blue"], "references": ["blue"]},
    ]
    said = [{"id": 1, "prediction": "A"}, {"id": 2, "prediction": "blue."}]
    assert run.json("scienceqa", said, golds)["value"] == 0.5
    assert run.json("scienceqa", said, golds)["metrics"] == {"unparsable": 1}
    assert run.json("scienceqa", said, golds, "--variant", "lmms")["value"] == 0.5
    assert run.json("aokvqa", said, golds, "--form", "multiple_choice")["metric"] == "accuracy"


def test_missing_predictions_are_named_or_counted(run: Run) -> None:
    told = run("vqav2", answers("cat"), VQA)
    assert told.code == 2
    assert is_sentence(told)
    assert "'b' is not predicted, of 2 items" in told.stderr
    value = run.json("vqav2", answers("cat"), VQA, "--allow-missing")
    assert (value["value"], value["count"], value["missing"]) == (0.5, 2, 1)
    assert (
        "1 of them missing and counted as wrong"
        in run("vqav2", answers("cat"), VQA, "--allow-missing").stdout
    )


CAT = answers("cat", "cat")


@pytest.mark.parametrize(
    ("dataset", "predictions", "references", "said"),
    [
        ("vqav2", [*CAT, *CAT[:1]], VQA, "'1' is predicted more than once"),
        ("vqav2", [*CAT, {"id": 9, "prediction": "x"}], VQA, "'9' is predicted, and no item has"),
        ("vqav2", CAT, [*VQA, VQA[0]], "line 3: the id '1' was there before"),
        ("vqav2", "", VQA, "is empty; give it lines such as"),
        ("vqav2", CAT, "\n", "is empty; there is nothing to score against"),
        ("vqav2", [], VQA, "is empty"),
        ("vqav2", "[]", VQA, "is empty"),
        ("vqav2", '{"id": 1, "prediction": "x"\n', VQA, "line 1 is no JSON"),
        ("vqav2", "[1, 2]", VQA, "item 0 is no object"),
        ("vqav2", [{"prediction": "x"}], VQA, "no `id`"),
        ("vqav2", [{"id": 1.5, "prediction": "x"}], VQA, "no `id`"),
        ("vqav2", [{"id": 1, "answer": "x"}], VQA, "no `prediction` that is a text"),
        ("vqav2", [{"id": 1, "prediction": None}], VQA, "no `prediction` that is a text"),
        ("vqav2", CAT, [{"id": 1}], "no `references`, which vqa_accuracy needs"),
        ("vqav2", CAT, [{"id": 1, "references": []}], "`references` that is a list of texts"),
        ("vqav2", CAT, [{"id": 1, "references": "cat"}], "`references` that is a list of texts"),
        ("vqav2", CAT, [{"id": 1, "references": [1]}], "`references` that is a list of texts"),
        ("vqav2", b"\xff\xfe", VQA, "is text in UTF-16"),
        ("vqav2", "[" * 100_000, VQA, "nested"),
        ("hateful_memes", '{"id": 1, "score": NaN}', [{"id": 1, "label": 1}], "holds NaN"),
        ("hateful_memes", [{"id": 1, "score": "0.5"}], [{"id": 1, "label": 1}], "is a number"),
        ("hateful_memes", [{"id": 1, "score": 0}], [{"id": 1, "label": 1}], "needs both classes"),
        ("hateful_memes", [{"id": 1, "score": 0}], [{"id": 1, "label": 2}], "it is 1 or 0"),
        ("hateful_memes", [{"id": 1, "score": 0}], [{"id": 1}], "no `label`, which auc needs"),
        ("hateful_memes", [{"id": 1, "prediction": "yes"}], [{"id": 1, "label": 1}], "no `score`"),
        ("visdial", '{"id": 1, "scores": [1, NaN]}', [{"id": 1, "gold": 0}], "holds NaN"),
        ("visdial", [{"id": 1, "scores": 1}], [{"id": 1, "gold": 0}], "list of numbers"),
        ("visdial", [{"id": 1, "scores": [1]}], [{"id": 1, "gold": 1}], "counted from 0"),
        ("visdial", [{"id": 1, "scores": [1]}], [{"id": 1, "gold": "0"}], "that is an index"),
        ("okvq", CAT, VQA, "'okvqa'"),
        ("llava_detail", CAT, VQA, "has no metric"),
    ],
)
def test_mistakes_are_one_sentence(
    run: Run, dataset: str, predictions: object, references: object, said: str
) -> None:
    told = run(dataset, predictions, references)
    assert told.code == 2, told
    assert is_sentence(told), told.stderr
    assert said in told.stderr
    assert told.stdout == ""


def test_what_to_score_against_is_one_thing(run: Run) -> None:
    path = run.write("p.jsonl", CAT)
    for more in ([], ["--references", path, "--build", run.folder]):
        told = run.command("score", "vqav2", "--predictions", path, *more)
        assert told.code == 2
        assert "either --references FILE or --build BUILD" in told.stderr
    gone = run.command("score", "vqav2", "--predictions", "gone", "--references", path)
    assert "gone cannot be read" in gone.stderr
    told = run("vqav2", CAT, VQA, "--split", "val")
    assert "--split is for --build" in told.stderr


def test_the_table_fits_eighty_columns(run: Run) -> None:
    rows = [
        {"id": number, "references": ["yes"], "subset": f"a relation of {number} \u001b[31m" * 4}
        for number in range(30)
    ]
    said = [{"id": number, "prediction": "maybe" if number % 3 else "yes"} for number in range(30)]
    told = run("vsr", said, rows, "--items")
    assert told.code == 0
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "\u001b" not in told.stdout
    assert "and 10 smaller ones" in told.stdout
    assert "unparsable" in told.stdout


def whole_split(build: Path, name: str, split: str, form: str) -> Sequence[dict[str, Any]]:
    rows = Build.open(build).samples(name, split)
    return [row for row in rows if row["form"] == form and row["draw"] == 0]


@pytest.mark.parametrize("key", ["sample_id", "record_id", "raw"])
def test_a_build_knows_its_golds(whole_build: Path, run: Run, key: str) -> None:
    rows = whole_split(whole_build, "vqav2", "val", "open")
    ids = [
        row["record_id"].removeprefix("vqav2/val/") if key == "raw" else row[key] for row in rows
    ]
    said = [
        {"id": one, "prediction": row["references"][0]} for one, row in zip(ids, rows, strict=True)
    ]
    path = run.write("p.jsonl", said)
    line = ("score", "vqav2", "--predictions", path, "--build", whole_build, "--json", "--items")
    told = run.command(*line, *(["--split", "val"] if key == "raw" else []))
    value = told.json()
    assert value["count"] == len(rows)
    assert value["value"] > 0.3
    assert [item["id"] for item in value["items"]] == ids
    assert sum(value["subset_counts"].values()) == len(rows)
    if key == "raw":
        vague = run.command(*line)
        assert vague.code == 2
        assert "--split" in vague.stderr
    twice = run.write("twice.jsonl", [*said, {"id": rows[0]["sample_id"], "prediction": "x"}])
    told = run.command(
        "score", "vqav2", "--predictions", twice, "--build", whole_build, "--split", "val"
    )
    assert "more than once" in told.stderr


def test_two_forms_of_aokvqa(whole_build: Path, run: Run) -> None:
    open_rows = whole_split(whole_build, "aokvqa", "val", "open")
    choice_rows = whole_split(whole_build, "aokvqa", "val", "multiple_choice")
    direct = [{"id": r["sample_id"], "prediction": r["references"][0]} for r in open_rows]
    letters = [{"id": r["sample_id"], "prediction": "ABCD"[r["choice_index"]]} for r in choice_rows]
    line = ("score", "aokvqa", "--build", whole_build, "--json", "--predictions")
    value = run.command(*line, run.write("d.jsonl", direct)).json()
    assert value["metric"] == "vqa_accuracy"
    assert value["count"] + value["metrics"]["difficult_skipped"] == len(open_rows)
    value = run.command(*line, run.write("c.jsonl", letters)).json()
    assert (value["metric"], value["value"]) == ("accuracy", 1)
    both = run.command(*line, run.write("b.jsonl", [*direct, *letters]))
    assert both.code == 2
    assert "--form" in both.stderr


def test_visdial_memes_videos_and_captions_of_a_build(whole_build: Path, run: Run) -> None:
    line = ("--build", whole_build, "--json", "--predictions")
    rows = whole_split(whole_build, "visdial", "val", "dialog")
    said = [
        {
            "id": r["sample_id"],
            "scores": [float(n == r["choice_index"]) for n in range(len(r["candidates"]))],
        }
        for r in rows
    ]
    value = run.command("score", "visdial", *line, run.write("v.jsonl", said)).json()
    assert (value["value"], value["count"]) == (1, len(rows))
    assert value["metrics"]["ndcg_items"] > 0

    rows = whole_split(whole_build, "hateful_memes", "val", "binary")
    said = [{"id": r["record_id"], "score": float(r["references"] == ["yes"])} for r in rows]
    assert (
        run.command("score", "hateful_memes", *line, run.write("h.jsonl", said)).json()["value"]
        == 1
    )

    rows = whole_split(whole_build, "msvd_qa", "test", "open")
    said = [{"id": r["record_id"], "prediction": r["references"][0]} for r in rows]
    value = run.command("score", "msvd_qa", *line, run.write("m.jsonl", said)).json()
    outside = value["metrics"]["gold_outside_vocabulary"]
    assert value["metrics"]["vocabulary"] > 0
    assert value["value"] == pytest.approx(1 - outside / len(rows))

    rows = whole_split(whole_build, "coco_caption", "val", "caption_set")
    said = [{"id": r["record_id"], "prediction": r["references"][0]} for r in rows]
    assert (
        run.command("score", "coco_caption", *line, run.write("c.jsonl", said)).json()["value"] > 1
    )


def test_splits_without_labels_and_wrong_forms_are_named(whole_build: Path, run: Run) -> None:
    line = ("score", "vqav2", "--build", whole_build, "--predictions", run.write("p.jsonl", CAT))
    told = run.command(*line, "--split", "testdve")
    assert "no split 'testdve'" in told.stderr
    told = run.command(*line, "--split", "val", "--form", "opne")
    assert "no samples of form 'opne'; did you mean 'open'?" in told.stderr
    told = run.command(*line, "--split", "val")
    assert "no item has that id" in told.stderr


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(b'{"id": 1, "prediction": "x"}\n'), "is compressed by gzip; unpack it"),
        (gzip.compress(b'{"id": 1, "prediction": "x"}\n')[:12], "is compressed by gzip; unpack"),
        (bz2.compress(b'{"id": 1, "prediction": "x"}\n'), "is compressed by bzip2; unpack it"),
        (b"PK\x03\x04\xff\xff", "is compressed by zip; unpack it"),
        ("{}".encode("utf-16"), "is text in UTF-16"),
        ('[{"id": 1}]'.encode("utf-16-le"), "is text in UTF-16"),
        (b"<!DOCTYPE html><html>404</html>", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
        (pickle.dumps({"id": 1}), "is a Python pickle, which is never opened"),
        (b"PAR1" + bytes(20), "is a Parquet file"),
        ("é".encode("latin-1"), "is not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested"),
    ],
    ids=[
        *("gzip", "gzip cut off", "bzip2", "zip", "UTF-16", "UTF-16 without its mark"),
        *("HTML", "LFS", "pickle", "Parquet", "Latin-1", "deep"),
    ],
)
def test_predictions_of_another_kind_are_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(data)
    with pytest.raises(UserError, match=said):
        read_predictions(path, "vqa")
