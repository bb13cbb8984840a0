"""The catalog is whole, its facts are those of the releases, its mistakes are answered well."""

import json
import os
import pickle
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_facts import HELD_IN, HELD_OUT, NUM_DATASETS_OF_TASK, PAPER

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify._util.yaml_lines import Scalar
from instructify.catalog.load import load_catalog
from instructify.catalog.model import Catalog, Dataset
from instructify.catalog.text import catalog_lines, dataset_lines
from instructify.readers import READERS


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_the_datasets_of_the_paper_stand_in_their_roles(catalog: Catalog) -> None:
    held_in = [one.name for one in catalog.select(role="held-in") if one.name in PAPER]
    assert held_in == HELD_IN
    assert {one.name for one in catalog.select(role="held-out")} >= set(HELD_OUT)
    of_paper = [catalog.dataset(name) for name in PAPER]
    assert Counter(one.task for one in of_paper) == NUM_DATASETS_OF_TASK
    assert set(catalog.tasks) >= set(NUM_DATASETS_OF_TASK)
    clusters = Counter(one.cluster for one in of_paper)
    assert clusters == {None: 13, "task-seen": 5, "task-unseen": 8}


def test_21_releases_feed_the_datasets_of_the_paper(catalog: Catalog) -> None:
    of_paper = [catalog.dataset(name) for name in PAPER]
    assert len({one.release for one in of_paper}) == 21
    assert len({one.reader for one in of_paper}) == 24  # LLaVA's three share one
    assert {one.release for one in catalog.datasets.values()} == set(catalog.releases)


def test_a_task_is_seen_exactly_if_a_held_in_dataset_has_it(catalog: Catalog) -> None:
    seen = {one.task for one in catalog.select(role="held-in")}
    for one in catalog.select(role="held-out"):
        assert one.cluster == ("task-seen" if one.task in seen else "task-unseen"), one.name


def test_held_in_gives_train_and_val_held_out_the_split_of_the_paper(catalog: Catalog) -> None:
    for one in catalog.select(role="held-in"):
        with_val = ("train", "val") if "val" in one.split_names else ("train",)
        assert one.default_splits == with_val, one.name
    paper = {name: catalog.dataset(name).default_splits for name in HELD_OUT}
    assert paper == {
        "nocaps": ("val",),
        "flickr30k": ("test",),
        "vizwiz": ("test",),
        "gqa": ("testdev",),
        "vsr": ("test",),
        "iconqa": ("test",),
        "scienceqa": ("test",),
        "visdial": ("val",),
        "textvqa": ("val",),
        "hateful_memes": ("val",),
        "msvd_qa": ("test",),
        "msrvtt_qa": ("test",),
        "ivqa": ("test",),
    }


def test_metrics_are_those_of_the_paper(catalog: Catalog) -> None:
    metrics = {name: catalog.dataset(name).metric for name in HELD_OUT}
    assert {name for name, metric in metrics.items() if metric == "cider"} == {
        "nocaps",
        "flickr30k",
    }
    assert metrics["ivqa"] == "ivqa_accuracy"
    assert metrics["visdial"] == "mrr"
    assert metrics["hateful_memes"] == "auc"


def test_question_generation_reads_the_files_of_its_base(catalog: Catalog) -> None:
    for name in ("vqav2", "okvqa", "aokvqa"):
        base, turned = catalog.dataset(name), catalog.dataset(f"{name}_qg")
        assert turned.release == base.release
        assert turned.split("train").files == base.split("train").files
        assert all(split.labelled for split in turned.splits)


def test_candidates_of_closed_answer_sets(catalog: Catalog) -> None:
    of_paper = [catalog.dataset(name) for name in PAPER]
    kinds = {one.name: one.candidates.kind for one in of_paper if one.candidates}
    assert kinds == {
        "aokvqa": "record",
        "iconqa": "record",
        "scienceqa": "record",
        "visdial": "record",
        "vsr": "fixed",
        "hateful_memes": "fixed",
        "msvd_qa": "vocabulary",
        "msrvtt_qa": "vocabulary",
    }
    vsr = catalog.dataset("vsr").candidates
    assert vsr is not None
    assert vsr.values == ("yes", "no")


def test_expected_counts_follow_the_options(catalog: Catalog) -> None:
    vsr = catalog.dataset("vsr")
    random = vsr.with_options({"variant": "random"})
    counts = [one.split("test").expected_for(one.options) for one in (vsr, random)]
    assert [one.records for one in counts if one] == [1222, 2195]
    assert vsr.options == {"variant": "zeroshot"}  # the original is untouched
    aokvqa = catalog.dataset("aokvqa").with_options({"forms": "open"})
    train = aokvqa.split("train").expected_for(aokvqa.options)
    assert train is not None
    assert train.records == 17056


def test_file_names_follow_the_options(catalog: Catalog) -> None:
    vsr = catalog.dataset("vsr").with_options({"variant": "random"})
    assert vsr.split("val").file("data").names_for(vsr.options)[0] == "data/splits/random/dev.jsonl"


def test_an_unknown_option_dataset_or_split_is_answered_with_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UserError, match=r"no dataset 'vqa2'; did you mean 'vqav2'\?"):
        catalog.dataset("vqa2")
    with pytest.raises(UserError, match=r"vqav2 has no split 'tran'; did you mean 'train'\?"):
        catalog.dataset("vqav2").split("tran")
    with pytest.raises(UserError, match=r"vqav2 has no option 'targt'; did you mean 'target'\?"):
        catalog.dataset("vqav2").with_options({"targt": "weighted"})


def test_a_picture_key_becomes_the_names_that_releases_use(catalog: Catalog) -> None:
    names = catalog.families["coco"].file_names("000000000139")
    assert "val2014/COCO_val2014_000000000139.jpg" in names
    assert "val2017/000000000139.jpg" in names
    for dataset in catalog.datasets.values():
        for family in catalog.families_of(dataset):
            assert family.media == dataset.media, dataset.name


def test_names_of_files_stay_below_the_raw_root(catalog: Catalog) -> None:
    for dataset in catalog.datasets.values():
        for split in dataset.splits:
            for spec in split.files:
                for name in spec.names_for(dataset.options):
                    assert "{" not in name
                    assert ".." not in name.removeprefix("../").split("/")


def test_the_summary_is_json_with_the_promised_keys(catalog: Catalog) -> None:
    for dataset in catalog.datasets.values():
        summary = json.loads(json.dumps(dataset.summary()))
        assert summary.keys() >= {
            *("name", "task", "role", "cluster", "release", "media", "metric", "splits")
        }
    assert catalog.dataset("visdial").summary()["splits"] == ["train", "val", "test"]


def test_a_dataset_crosses_a_process_border(catalog: Catalog) -> None:
    dataset = catalog.dataset("msvd_qa")
    assert pickle.loads(pickle.dumps(dataset)) == dataset


def test_the_catalog_reads_at_80_columns(catalog: Catalog) -> None:
    overview = catalog_lines(catalog)
    assert all(name in overview for name in catalog.datasets)
    for text in (overview, *(dataset_lines(catalog, name) for name in catalog.datasets)):
        too_long = [line for line in text.splitlines() if len(line) > 80]
        assert not [line for line in too_long if "https://" not in line]


def test_an_entry_says_what_a_newcomer_needs(catalog: Catalog) -> None:
    text = dataset_lines(catalog, "vqav2", help_of={"target": "which answer is trained on"})
    for needed in (
        "v2_mscoco_train2014_annotations.json",
        "443,757 records",
        "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa/",
        "CC BY 4.0",
        "VQA accuracy",
        "target=most_common",
        "which answer is trained on",
        "instructify convert vqav2 --raw RAW --out BUILD",
    ):
        assert needed in text


def test_every_option_is_declared_by_the_reader_with_its_default_allowed(catalog: Catalog) -> None:
    for dataset in catalog.datasets.values():
        declared = READERS[dataset.reader].options
        assert dataset.options.keys() == declared.keys(), dataset.name
        for name, option in declared.items():
            value = dataset.options[name]
            if option.kind == "choice":
                assert value in option.choices, f"{dataset.name}.{name}"
            else:
                kinds = {"int": int, "bool": bool, "text": str}
                assert type(value) is kinds[option.kind], f"{dataset.name}.{name}"


# Mistakes in the file.


def broken(tmp_path: Path, old: str, new: str) -> str:
    """Load a copy of the catalog with one thing changed; return the message."""
    content = find("catalog.yaml").read_text(encoding="utf-8")
    assert old in content
    path = tmp_path / "catalog.yaml"
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_catalog(path)
    message = str(error.value)
    assert re.match(rf"{re.escape(str(path))}, line \d+: ", message)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: 1", "format: 2", "format 2 is unknown; this version reads format 1"),
        ("    role: held-in", "    rol: held-in", "unknown key 'rol' in 'datasets.coco_caption'"),
        ("    role: held-in", "    role: heldin", "did you mean 'held-in'?"),
        ("task: image_captioning\n", "task: image_caption\n", "did you mean 'image_captioning'?"),
        ("release: coco_caption", "release: coco_captions", "did you mean 'coco_caption'?"),
        ("families: [coco]", "families: [cocoa]", "did you mean 'coco'?"),
        ("metric: cider", "metric: cidr", "did you mean 'cider'?"),
        ("  web_capfilt:\n    title: Web CapFilt", "  vqav2:\n    title: V", "a duplicate of line"),
        ("default_splits: [train, val]", "default_splits: [training]", "did you mean 'train'?"),
        (
            "forms: {caption: 1.0,",
            "forms: {captions: 1.0,",
            "unknown key 'captions' in 'datasets.coco_caption.forms'; did you mean 'caption'?",
        ),
        ("forms: {caption: 1.0,", "forms: {caption: -1,", "a number from 0 to 1000, not -1"),
        ("    cluster: task-seen\n", "", "is held-out and needs a cluster"),
        ("    role: held-in\n", "    role: held-in\n    cluster: task-seen\n", "has no cluster"),
        ("candidates: record", "candidates: records", "did you mean 'record'?"),
        ("{vocabulary: {splits: [train]}}", "{vocabulary: {splits: [trai]}}", "'train'?"),
        ("captions: [annotations/", "captions: [../../annotations/", "leads out of the raw root"),
        ("captions: [annotations/", "captions: [/annotations/", "leads out of the raw root"),
        ("{variant}/train.jsonl", "{variants}/train.jsonl", "did you mean 'variant'?"),
        ("when: {variant: zeroshot}", "when: {varian: zeroshot}", "did you mean 'variant'?"),
        ("records: 443757", "records: null", "must be a whole number from 1 on, not nothing"),
        ("    cluster: task-seen\n", "    cluster: null\n", "must be one of task-seen"),
        ("    role: held-in", "    name: x\n    role: held-in", "unknown key 'name' in 'datasets."),
        ("records: 443757", "records: many", "must be a whole number from 1 on, not 'many'"),
        ("exact: false}", "exact: no}", "must be true or false, not 'no'"),
        ("max_rejects_percent: 60", "max_rejects_percent: 600", "a number from 0 to 100, not 600"),
        ('"train_images/{name}.jpg"', '"train_images/name.jpg"', "must hold {name} once"),
        ("    licence: CC BY 4.0\n", "", "key 'licence' is missing in 'releases."),
        (
            "  nocaps:\n    title: NoCaps\n    task",
            "  NoCaps:\n    title: NoCaps\n    task",
            "valid",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert message in broken(tmp_path, old, new)


# The user's own datasets.

OWN = """\
format: 1
datasets:
  birds:
    title: Birds
    task: image_classification
    table:
      files: {train: train.csv, val: val.csv}
      pictures: photos
      columns: {picture: file, answer: species}
      question: What bird is this?
  plants:
    task: image_classification
    form: multiple_choice
    table: {folders: {train: data/train, test: data/test}}
  rooms:
    task: image_qa
    role: held-out
    metric: vqa_accuracy
    table:
      file: rooms.parquet
      split: test
      columns: {id: qid, picture: image, question: q, references: answers}
"""


def load_own(tmp_path: Path, content: str) -> Catalog:
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    return load_catalog(extra=path)


def test_own_tables_become_datasets_like_others(tmp_path: Path) -> None:
    own = load_own(tmp_path, OWN)
    assert len(own.datasets) == len(load_catalog().datasets) + 3
    birds = own.dataset("birds")
    assert (birds.reader, birds.release, birds.task) == ("table", "birds", "image_classification")
    assert (birds.role, birds.split_names) == ("held-in", ("train", "val"))
    assert birds.options["column_answer"] == "species"
    assert birds.options["question"] == "What bird is this?"
    assert birds.candidates is not None
    assert (birds.candidates.kind, birds.candidates.splits) == ("vocabulary", ("train", "val"))
    assert own.families_of(birds)[0].file_names("a/1.jpg") == ("photos/a/1.jpg",)
    assert own.release_of(birds).name == "birds"


def test_own_class_folders_and_questions(tmp_path: Path) -> None:
    own = load_own(tmp_path, OWN)
    plants = own.dataset("plants")
    assert plants.split("test").file("folder").names == ("data/test",)
    assert plants.candidates is not None
    assert plants.candidates.kind == "record"
    rooms = own.dataset("rooms")
    assert rooms.default_splits == ("test",)
    assert (rooms.role, rooms.metric, dict(rooms.forms)) == (
        "held-out",
        "vqa_accuracy",
        {"open": 1},
    )
    assert "own data" in dataset_lines(own, "rooms")
    assert all(name in catalog_lines(own) for name in own.datasets)


def test_the_example_of_the_documentation_loads(tmp_path: Path) -> None:
    documentation = Path(__file__).parents[2] / "docs" / "own-data.md"
    example = re.search(r"```yaml\n(.*?)```", documentation.read_text(encoding="utf-8"), re.S)
    assert example is not None
    own = load_own(tmp_path, example[1])
    assert "birds" in own.datasets


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  birds:", "  vqav2:", "line 3: 'vqav2' is already a dataset of the catalog"),
        ("  birds:", "  coco:", "line 3: 'coco' is already a family of the catalog"),
        ("task: image_qa", "task: image_qua", "did you mean 'image_qa'?"),
        ("answer: species", "anser: species", "line 9: unknown key 'anser'"),
        ("picture: file, ", "", "line 9: 'datasets.birds.table' maps no column to picture"),
        (
            ", references: answers",
            "",
            "maps no column to answer or references, which the form open",
        ),
        ("files: {train", "file: {train", "must be a text"),
        ("file: rooms.parquet", "file: rooms.xlsx", "allowed: .csv, .tsv, .json, .jsonl, .parquet"),
        ("file: rooms.parquet", "file: ../rooms.csv", "must be a plain path below"),
        (
            "file: rooms.parquet\n      split: test\n"
            "      columns: {id: qid, picture: image, question: q, references: answers}",
            "folder: rooms",
            "class folders suit the task image_classification",
        ),
        ("file: rooms.parquet", "file: a.csv\n      folder: b", "given: file and folder"),
        ("pictures: photos", "pictures: /photos", "must be a plain path below"),
        ("form: multiple_choice", "form: dialog", "is no value of 'datasets.plants.form'"),
        (
            "title: Birds",
            "form: multiple_choice",
            "which the form multiple_choice needs; or list them all under 'classes'",
        ),
        ("split: test", "split: Test", "'Test' is no valid split"),
        ("format: 1", "format: one", "format one is unknown"),
        ("datasets:", "dataset:", "unknown key 'dataset'; did you mean 'datasets'?"),
    ],
)
def test_a_mistake_in_own_data_is_one_sentence(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in OWN
    with pytest.raises(UserError) as error:
        load_own(tmp_path, OWN.replace(old, new, 1))
    assert message in str(error.value)
    assert "mine.yaml, line " in str(error.value)


LINES = OWN.splitlines()


@settings(deadline=None)
@given(st.integers(0, len(LINES) - 1), st.sampled_from(["", "x", "- x", "  k: [", "  a: {b: c}"]))
def test_any_line_broken_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, line: int, text: str
) -> None:
    content = "\n".join([*LINES[:line], text, *LINES[line + 1 :]])
    message = ""
    try:
        load_own(tmp_path_factory.getbasetemp(), content)
    except UserError as error:
        message = str(error)
    assert "\n" not in message


# The real files.


@pytest.mark.skipif(
    not os.environ.get("INSTRUCTIFY_REAL_DATA"), reason="INSTRUCTIFY_REAL_DATA is not set"
)
def test_files_of_real_releases_are_found_under_their_names(catalog: Catalog) -> None:
    raw = Path(os.environ["INSTRUCTIFY_REAL_DATA"]) / "raw"
    known = {
        (raw / dataset.release / name).resolve()
        for dataset in catalog.datasets.values()
        for split in dataset.splits
        for spec in split.files
        for options in _variants(dataset)
        for name in spec.names_for(options)
    }
    unknown = {
        path.relative_to(raw).as_posix()
        for path in raw.rglob("*")
        if path.suffix in (".json", ".jsonl", ".csv", ".txt", ".token")
        and path.name != "data.json"
        and not {"derived", "unverified", "partial", "early_v0.1", "book-dataset"} & set(path.parts)
        and path.resolve() not in known
    }
    # Lists of picture names without captions: nothing to read.
    assert unknown <= {"nocaps/lavis/nocaps_val.json", "nocaps/lavis/nocaps_test.json"}


def _variants(dataset: Dataset) -> list[dict[str, Scalar]]:
    return [{**dataset.options, "variant": value} for value in ("random", "zeroshot")]
