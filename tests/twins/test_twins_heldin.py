"""The held-in twins: the authors' files, true labels, planted quirks, nothing to guess from text.

A reader must take them without a reject; what cannot be read there is a picture behind a dead url.
"""

import json
import tarfile
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from balance import Asked, guess_rate
from twin_help import load, read_split

from instructify.catalog.load import load_catalog
from instructify.catalog.splits import Split
from instructify.twins.make import make_twin
from instructify.twins.writers_knowledge import stem
from instructify.twins.writers_reading import book_key
from instructify.twins.writers_vqa import question_type

HELD_IN = tuple(dataset.name for dataset in load_catalog().select(role="held-in"))
FILES = {
    "coco_caption": {
        "annotations/captions_train2014.json": ["info", "images", "licenses", "annotations"],
        "annotations/captions_val2014.json": ["info", "images", "licenses", "annotations"],
        "karpathy/dataset_coco.json": ["images", "dataset"],
    },
    "textcaps": {
        f"TextCaps_0.1_{split}.json": ["dataset_type", "dataset_name", "dataset_version", "data"]
        for split in ("train", "val", "test")
    },
    "vqav2": {
        f"v2_OpenEnded_mscoco_{subset}_questions.json": [
            *("info", "task_type", "data_type", "license", "data_subtype", "questions")
        ]
        for subset in ("train2014", "val2014", "test2015", "test-dev2015")
    }
    | {
        f"v2_mscoco_{subset}_annotations.json": [
            *("info", "license", "data_subtype", "annotations", "data_type")
        ]
        for subset in ("train2014", "val2014")
    },
    "okvqa": {
        f"OpenEnded_mscoco_{subset}_questions.json": [
            *("license", "data_subtype", "task_type", "questions", "info", "data_type")
        ]
        for subset in ("train2014", "val2014")
    }
    | {
        f"mscoco_{subset}_annotations.json": [
            *("license", "data_subtype", "question_types", "annotations", "info", "data_type")
        ]
        for subset in ("train2014", "val2014")
    },
}
LISTS = {
    "aokvqa": [f"aokvqa_v1p0_{split}.json" for split in ("train", "val", "test")],
    "llava_instruct": ["conversation_58k.json", "detail_23k.json", "complex_reasoning_77k.json"],
    "web_capfilt": [
        f"{source}{kind}.json"
        for source in ("ccs", "laion")
        for kind in ("_filtered", "_synthetic_filtered", "_synthetic_filtered_large")
    ],
}
SPLITS = [
    (dataset.name, split.name)
    for dataset in load_catalog().select(role="held-in")
    for split in dataset.splits
    if split.name not in ("train2017", "val2017")
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twins of all held-in datasets with pictures."""
    root = tmp_path_factory.mktemp("raw")
    make_twin(HELD_IN, root)
    return root


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten times as much, without pictures."""
    root = tmp_path_factory.mktemp("large")
    make_twin(HELD_IN, root, scale=10, pictures=False)
    return root


@pytest.mark.parametrize("release", FILES)
def test_objects_have_the_documented_members(root: Path, release: str) -> None:
    for name, members in FILES[release].items():
        assert list(load(root / release / name)) == members


@pytest.mark.parametrize("release", LISTS)
def test_lists_have_rows(root: Path, release: str) -> None:
    for name in LISTS[release]:
        assert isinstance(load(root / release / name), list)
        assert load(root / release / name)


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_readers_take_every_row(root: Path, name: str, split: str) -> None:
    outcome = read_split(root, name, split)
    assert outcome.records
    assert outcome.rejects == []
    ids = [record["record_id"] for record in outcome.records]
    assert len(set(ids)) == len(ids)
    labelled = _split(name, split).labelled
    if labelled:
        assert all(record["answer"] or record["references"] for record in outcome.records)


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_every_picture_has_one_file(root: Path, name: str, split: str) -> None:
    if name == "web_capfilt":
        pytest.skip("its pictures are in tars, and some urls are dead on purpose")
    dataset = load_catalog().dataset(name)
    family = load_catalog().families_of(dataset)[0]
    for record in read_split(root, name, split).records:
        for key in record["pictures"]:
            prefix, _, picture = key.partition("/")
            assert prefix == family.name
            folders = (dataset.release, *family.folders)
            found = {
                root / folder / file
                for folder in folders
                for file in family.file_names(picture)
                if (root / folder / file).is_file()
            }
            assert len(found) == 1, key


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", ["vqav2", "okvqa", "aokvqa", "ocr_vqa"])
def test_text_alone_answers_little_of_open_sets(large: Path, name: str, split: str) -> None:
    records = [r for r in read_split(large, name, split).records if r["form"] == "open"]
    assert len(records) > 200
    assert guess_rate(map(_asked, records)) <= 0.4


def test_text_alone_answers_little_of_multiple_choice(large: Path) -> None:
    records = read_split(large, "aokvqa", "train").records
    records = [record for record in records if record["form"] == "multiple_choice"]
    assert guess_rate(map(_asked, records)) <= 0.25 + 0.1
    # Nor does the place of the right choice tell anything.
    places = Counter(record["choice_index"] for record in records)
    assert max(places.values()) / len(records) <= 0.25 + 0.1


def test_no_held_in_picture_shows_a_reserved_combination(root: Path) -> None:
    for path in (root / "truth").glob("*.jsonl"):
        for line in path.open(encoding="utf-8"):
            assert '"novel":false' in line, path.name
            assert '"held_out":false' in line, path.name


def test_vqav2_answers_are_those_of_ten_people(large: Path) -> None:
    rows = load(large / "vqav2" / "v2_mscoco_train2014_annotations.json")["annotations"]
    ties = 0
    for row in rows:
        counts = Counter(answer["answer"] for answer in row["answers"])
        assert [answer["answer_id"] for answer in row["answers"]] == list(range(1, 11))
        assert counts[row["multiple_choice_answer"]] == max(counts.values())
        assert row["question_id"] // 1000 == row["image_id"]
        assert (row["answer_type"] == "yes/no") == (row["multiple_choice_answer"] in ("yes", "no"))
        ties += list(counts.values()).count(max(counts.values())) > 1
    assert 0.01 < ties / len(rows) < 0.12
    sure = Counter(answer["answer_confidence"] for row in rows for answer in row["answers"])
    assert sure.keys() == {"yes", "maybe", "no"}
    assert 0.7 < sure["yes"] / sure.total() < 0.95


def test_vqav2_asks_as_often_as_the_official_files(large: Path) -> None:
    asked = load(large / "vqav2" / "v2_OpenEnded_mscoco_train2014_questions.json")["questions"]
    assert len(asked) == 400 * 443_757 // 82_783
    dev = load(large / "vqav2" / "v2_OpenEnded_mscoco_test-dev2015_questions.json")["questions"]
    test = load(large / "vqav2" / "v2_OpenEnded_mscoco_test2015_questions.json")["questions"]
    assert {row["question_id"] for row in dev} < {row["question_id"] for row in test}
    assert not list(large.rglob("*test*annotations*"))


def test_question_types_are_the_longest_known_opening() -> None:
    assert question_type("What color is the circle?") == "what color is the"
    assert question_type("Is there a red thing?") == "is there a"
    assert question_type("Isabel?") == "none of the above"


def test_okvqa_answers_come_in_pairs_with_stems(large: Path) -> None:
    rows = load(large / "okvqa" / "mscoco_train2014_annotations.json")["annotations"]
    for row in rows:
        raw = [answer["raw_answer"] for answer in row["answers"]]
        assert raw[::2] == raw[1::2]
        assert len(raw) == 10
        assert "multiple_choice_answer" not in row
        assert row["question_id"] // 10 == row["image_id"]
        assert all(answer["answer"] == stem(answer["raw_answer"]) for answer in row["answers"])
    assert any(answer["answer"] != answer["raw_answer"] for answer in _answers(rows))
    assert stem("blueberry") == "blueberri"


def test_aokvqa_keeps_the_labels_of_test(large: Path) -> None:
    train = load(large / "aokvqa" / "aokvqa_v1p0_train.json")
    test = load(large / "aokvqa" / "aokvqa_v1p0_test.json")
    hidden = {"correct_choice_idx", "direct_answers", "rationales"}
    assert set(test[0]) == set(train[0]) - hidden
    for row in train:
        right = row["choices"][row["correct_choice_idx"]]
        assert len(row["choices"]) == 4
        assert len(row["direct_answers"]) == 10
        assert len(row["rationales"]) == 3
        assert right in row["direct_answers"]
        assert row["choices"].count(right) == 1
        assert len(row["question_id"]) == 22
    assert any(len(set(row["choices"])) < 4 for row in train)


def test_karpathy_splits_cut_val2014(root: Path) -> None:
    images = load(root / "coco_caption" / "karpathy" / "dataset_coco.json")["images"]
    found = Counter((image["filepath"], image["split"]) for image in images)
    assert found == {
        ("train2014", "train"): 40,
        ("val2014", "val"): 20,
        ("val2014", "test"): 20,
        ("val2014", "restval"): 10,
    }
    official = load(root / "coco_caption" / "annotations" / "captions_val2014.json")
    raw = {
        sentence["sentid"]: sentence["raw"]
        for image in images
        if image["filepath"] == "val2014"
        for sentence in image["sentences"]
    }
    assert raw == {row["id"]: row["caption"] for row in official["annotations"]}


def test_coco_captions_are_as_untidy_as_the_real_ones(large: Path) -> None:
    rows = load(large / "coco_caption" / "annotations" / "captions_train2014.json")["annotations"]
    texts = [row["caption"] for row in rows]
    assert any(text != text.strip() for text in texts)
    assert any("\n" in text for text in texts)
    assert any("  " in text for text in texts)
    assert any(not text.strip().endswith(".") for text in texts)
    assert 6 in Counter(row["image_id"] for row in rows).values()
    assert [row["image_id"] for row in rows] != sorted(row["image_id"] for row in rows)


def test_textcaps_repeats_the_references_on_every_row(root: Path) -> None:
    rows = load(root / "textcaps" / "TextCaps_0.1_val.json")["data"]
    assert len(rows) == 20 * 5
    assert all(row["caption_str"] in row["reference_strs"] for row in rows)
    assert all(row["image_path"].startswith("train/") for row in rows)
    test = load(root / "textcaps" / "TextCaps_0.1_test.json")["data"]
    assert all("caption_str" not in row for row in test)
    ids = [row["caption_id"] for row in rows]
    assert len(set(ids)) == len(ids)


def test_ocr_of_textcaps_reads_what_captions_quote(root: Path) -> None:
    found = load(root / "textcaps" / "TextVQA_Rosetta_OCR_v0.2_train.json")["data"]
    tokens = {row["image_id"]: row["ocr_tokens"] for row in found}
    for row in load(root / "textcaps" / "TextCaps_0.1_train.json")["data"]:
        assert tokens[row["image_id"]]
        assert all(word in row["caption_str"] for word in tokens[row["image_id"]])
    for row in found:
        assert [word["word"] for word in row["ocr_info"]] == row["ocr_tokens"]


def test_book_keys_are_isbns_without_leading_zeros() -> None:
    keys = [book_key(number) for number in range(1, 2000)]
    assert len(set(keys)) == len(keys)
    assert any(key.endswith("X") for key in keys)
    assert min(map(len, keys)) < 10
    for key in keys:
        digits = [10 if sign == "X" else int(sign) for sign in key.zfill(10)]
        assert sum(weight * digit for weight, digit in enumerate(reversed(digits), 1)) % 11 == 0


def test_ocr_vqa_mixes_its_splits_and_kinds_of_cover(root: Path) -> None:
    books = load(root / "ocr_vqa" / "dataset.json")
    assert Counter(book["split"] for book in books.values()) == {1: 40, 2: 20, 3: 20}
    images = {path.stem: path.suffix for path in (root / "ocr_vqa" / "images").iterdir()}
    assert images.keys() == books.keys()
    assert set(images.values()) == {".jpg", ".gif"}
    for key, book in books.items():
        assert book["imageURL"].endswith(images[key])
        assert len(book["questions"]) == len(book["answers"])
        asked = any(question.startswith("Who") for question in book["questions"])
        assert asked == bool(book["authorName"])


def test_web_pictures_are_in_tars_unless_the_url_is_dead(root: Path) -> None:
    folder = root / "web_capfilt"
    members: dict[str, bytes] = {}
    for path in sorted((folder / "webdataset").glob("*.tar")):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            assert names[::3] == [name.replace(".json", ".jpg") for name in names[1::3]]
            assert names != sorted(names)
            for name in names[1::3]:
                facts = _json_member(tar, name)
                members[facts["url"]] = tar.extractfile(f"{facts['key']}.jpg").read()  # type: ignore[union-attr]
    pairs = load(folder / "ccs_synthetic_filtered.json")
    pairs += load(folder / "laion_synthetic_filtered.json")
    urls = {pair["url"] for pair in pairs}
    assert members.keys() < urls
    assert len(pairs) > len(urls)
    lines = (root / "truth" / "web_capfilt.jsonl").read_text().splitlines()
    digests = {f"web_capfilt/{sha256(url.encode()).hexdigest()[:20]}" for url in members}
    assert {line.split('"')[3] for line in lines} == digests


def test_web_files_tell_the_same_urls_in_other_words(large: Path) -> None:
    web = load(large / "web_capfilt" / "ccs_filtered.json")
    synthetic = load(large / "web_capfilt" / "ccs_synthetic_filtered.json")
    assert {row["url"] for row in web} == {row["url"] for row in synthetic}
    texts = [row["caption"] for row in web]
    for sign in ("<PERSON>", "``", "SKU", "\u00a0", "+"):
        assert any(sign in text for text in texts)
    assert all(row["caption"] == row["caption"].lower() for row in synthetic)


def test_llava_speaks_of_the_image_once(root: Path) -> None:
    places = set()
    for name in LISTS["llava_instruct"]:
        for row in load(root / "llava_instruct" / name):
            said = row["conversations"]
            assert row["image"] == row["id"] + ".jpg"
            assert [turn["from"] for turn in said] == ["human", "gpt"] * (len(said) // 2)
            first, *others = [turn["value"] for turn in said]
            assert ("<image>\n" in first) + ("\n<image>" in first) == 1
            assert not any("<image>" in text for text in others)
            places.add(first.startswith("<image>"))
    assert places == {True, False}
    turns = load(root / "llava_instruct" / "conversation_58k.json")
    assert max(len(row["conversations"]) for row in turns) > 4


def test_shared_photographs_are_one_file(root: Path) -> None:
    coco = [path.stem[-12:] for path in (root / "coco").rglob("*.jpg")]
    assert len(set(coco)) == len(coco)
    assert len(coco) == 40 + 50 + 20


def _split(name: str, split: str) -> Split:
    return load_catalog().dataset(name).split(split)


def _asked(record: dict[str, Any]) -> Asked:
    return Asked(record["question"], record["answer"])


def _answers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for row in rows for answer in row["answers"]]


def _json_member(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    member = tar.extractfile(name)
    assert member is not None
    found: dict[str, Any] = json.loads(member.read())
    return found
