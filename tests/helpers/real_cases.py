"""The slices of real releases: how many records each split gives, and where a sample's item lies.

Everything here is found with `json.load` and a few lines of Python, never with a reader, so that
the two can be held against each other.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = os.environ.get("INSTRUCTIFY_REAL_DATA") or None  # set to nothing is not set


class Case(NamedTuple):
    """A conversion; `records` is the number that the slices' own description gives or implies."""

    dataset: str
    split: str
    records: int
    counted: Callable[[], int]
    options: tuple[str, ...] = ()
    no_annotation: int = 0

    @property
    def name(self) -> str:
        """How the test report calls it."""
        return "-".join((self.dataset, self.split, *self.options)).replace("=", "_")


def raw_root() -> Path:
    """The raw root of the slices."""
    return Path(ROOT or "").resolve() / "raw"


@cache
def load(source: str) -> Any:
    """Load a raw file: JSON, JSON lines, or lines of text."""
    text = (raw_root() / source).read_text("utf-8")
    if source.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text) if source.endswith(".json") else text.splitlines()


@cache
def sha256(source: str) -> str:
    """Hash a raw file."""
    return hashlib.sha256((raw_root() / source).read_bytes()).hexdigest()


def _size(source: str, *keys: str) -> Callable[[], int]:
    def count() -> int:
        found = load(source)
        for key in keys:
            found = found[key]
        return len(found)

    return count


def _captioned(source: str) -> Callable[[], int]:
    return lambda: len({one["image_id"] for one in load(source)["annotations"]})


def _karpathy(source: str, split: str) -> Callable[[], int]:
    return lambda: sum(image["split"] == split for image in load(source)["images"])


def _annotated(split: str) -> Callable[[], int]:
    def count() -> int:
        asked = load(f"okvqa/OpenEnded_mscoco_{split}2014_questions.json")["questions"]
        labels = load(f"okvqa/mscoco_{split}2014_annotations.json")["annotations"]
        known = {one["question_id"] for one in labels}
        return sum(one["question_id"] in known for one in asked)

    return count


def _not_yes_or_no() -> int:
    labels = load("vqav2/v2_mscoco_train2014_annotations.json")["annotations"]
    return sum(one["multiple_choice_answer"] not in ("yes", "no") for one in labels)


def _books(code: int) -> Callable[[], int]:
    books = "ocr_vqa/dataset.json"
    return lambda: sum(
        len(one["questions"]) for one in load(books).values() if one["split"] == code
    )


def _turns(name: str) -> Callable[[], int]:
    return lambda: sum(
        turn["from"] == "gpt"
        for one in load(f"llava_instruct/{name}.json")
        for turn in one["conversations"]
    )


def _kinds(kind: str) -> Callable[[], int]:
    problems = "iconqa/iconqa_data/problems.json"
    return lambda: sum(kind in ("all", one["ques_type"]) for one in load(problems).values())


def _science(split: str, pictures: str) -> Callable[[], int]:
    def count() -> int:
        problems = load("scienceqa/data/scienceqa/problems.json")
        pids = load("scienceqa/data/scienceqa/pid_splits.json")[split]
        return sum(pictures == "all" or problems[pid]["image"] is not None for pid in pids)

    return count


def _rounds(source: str) -> Callable[[], int]:
    return lambda: sum(len(one["dialog"]) for one in load(source)["data"]["dialogs"])


def _token_pictures() -> int:
    return len({line.split("#", 1)[0] for line in load("flickr30k/results_20130124.token")})


def _answered() -> int:
    """Count the VizWiz questions that something is answered to more often than nothing."""
    names = {"unsuitable": "unanswerable"}
    count = 0
    for one in load("vizwiz/Annotations/val.json"):
        said = Counter(names.get(each["answer"], each["answer"]) for each in one["answers"])
        count += said.most_common(1)[0][0] != "unanswerable"
    return count


_COCO = "coco_caption/annotations/captions"
_KARPATHY = "coco_caption/karpathy/dataset_coco.json"
_LAVIS = "coco_caption/lavis/coco_karpathy_train.json"
_VQA = "vqav2/v2_mscoco_train2014_annotations.json"
_AOKVQA = "aokvqa/aokvqa_v1p0"
_FLICKR = "flickr30k/dataset_flickr30k.json"
_WEB = "captions=web"

CASES = (
    Case(
        "coco_caption",
        "train",
        75,
        _size(f"{_COCO}_train2014.json", "annotations"),
        ("split_source=official",),
    ),
    Case(
        "coco_caption", "val", 89, _captioned(f"{_COCO}_val2014.json"), ("split_source=official",)
    ),
    Case("coco_caption", "train", 75, _size(_LAVIS), ("split_source=lavis",)),
    Case("coco_caption", "test", 1, _karpathy(_KARPATHY, "test"), ("split_source=karpathy",)),
    Case("coco_caption", "train", 0, _karpathy(_KARPATHY, "train")),
    Case("coco_caption", "val", 0, _karpathy(_KARPATHY, "val")),
    Case("coco_caption", "test", 1, _karpathy(_KARPATHY, "test")),
    Case("coco_caption", "train", 0, _karpathy(_KARPATHY, "train"), ("split_source=karpathy",)),
    Case("coco_caption", "train2017", 130, _size(f"{_COCO}_train2017.json", "annotations")),
    Case("web_capfilt", "train", 16, _size("web_capfilt/ccs_filtered.json"), (_WEB, "sources=ccs")),
    Case(
        "web_capfilt",
        "train",
        150,
        _size("web_capfilt/laion_filtered.json"),
        (_WEB, "sources=laion"),
    ),
    Case(
        "web_capfilt",
        "train",
        166,
        lambda: (
            _size("web_capfilt/ccs_filtered.json")() + _size("web_capfilt/laion_filtered.json")()
        ),
        (_WEB,),
    ),
    Case("vqav2", "train", 250, _size(_VQA, "annotations")),
    Case("vqav2", "train", 250, _size(_VQA, "annotations"), ("target=weighted",)),
    Case("vqav2_qg", "train", 250, _size(_VQA, "annotations")),
    Case("vqav2_qg", "train", 160, _not_yes_or_no, ("yes_no=drop",)),
    Case("okvqa", "train", 130, _annotated("train"), no_annotation=20),
    Case("okvqa", "val", 126, _annotated("val"), no_annotation=24),
    Case("okvqa_qg", "train", 130, _annotated("train"), no_annotation=20),
    Case("okvqa_qg", "val", 126, _annotated("val"), no_annotation=24),
    Case("aokvqa", "val", 300, lambda: 2 * _size(f"{_AOKVQA}_val.json")()),
    Case("aokvqa", "val", 150, _size(f"{_AOKVQA}_val.json"), ("forms=multiple_choice",)),
    Case("aokvqa", "test", 120, lambda: 2 * _size(f"{_AOKVQA}_test.json")()),
    Case("aokvqa", "val", 150, _size(f"{_AOKVQA}_val.json"), ("forms=open",)),
    Case("aokvqa", "test", 60, _size(f"{_AOKVQA}_test.json"), ("forms=open",)),
    Case("aokvqa", "test", 60, _size(f"{_AOKVQA}_test.json"), ("forms=multiple_choice",)),
    Case("aokvqa_qg", "val", 150, _size(f"{_AOKVQA}_val.json")),
    Case("ocr_vqa", "train", 8, _books(1)),
    Case("ocr_vqa", "val", 0, _books(2)),
    Case("ocr_vqa", "test", 0, _books(3)),
    Case("llava_conversation", "train", 199, _turns("conversation_58k")),
    Case("llava_detail", "train", 17, _turns("detail_23k")),
    Case("llava_reasoning", "train", 65, _turns("complex_reasoning_77k")),
    Case("nocaps", "val", 60, _captioned("nocaps/nocaps_val_4500_captions.json")),
    Case("flickr30k", "val", 37, _karpathy(_FLICKR, "val")),
    Case("flickr30k", "test", 84, _karpathy(_FLICKR, "test")),
    Case(
        "flickr30k",
        "val",
        100,
        _size("flickr30k/lavis/flickr30k_val.json"),
        ("split_source=lavis",),
    ),
    Case(
        "flickr30k",
        "test",
        101,
        _size("flickr30k/lavis/flickr30k_test.json"),
        ("split_source=lavis",),
    ),
    Case("flickr30k", "all", 127, _token_pictures),
    Case("vizwiz", "val", 156, _size("vizwiz/Annotations/val.json")),
    Case("vizwiz", "test", 151, _size("vizwiz/Annotations/test.json")),
    Case("vizwiz", "val", 101, _answered, ("unanswerable=drop",)),
    Case("gqa", "testdev", 150, _size("gqa/testdev_balanced_questions.json")),
    Case("gqa", "val", 100, _size("gqa/val_balanced_questions.json")),
    *(
        Case(
            "vsr",
            split,
            100,
            _size(f"vsr/data/splits/{variant}/{file}.jsonl"),
            (f"variant={variant}",),
        )
        for variant in ("zeroshot", "random")
        for split, file in (("train", "train"), ("val", "dev"), ("test", "test"))
    ),
    *(
        Case("iconqa", "test", records, _kinds(kind), (f"kind={kind}",))
        for kind, records in (
            ("choose_txt", 25),
            ("choose_img", 25),
            ("fill_in_blank", 25),
            ("all", 75),
        )
    ),
    *(
        Case("scienceqa", split, records, _science(split, pictures), (f"pictures={pictures}",))
        for split, pictures, records in (
            ("train", "only", 12),
            ("train", "all", 32),
            ("val", "only", 20),
            ("val", "all", 32),
            ("test", "only", 30),
            ("test", "all", 46),
            ("trainval", "all", 64),
            ("minitrain", "all", 2),
            ("minival", "all", 3),
            ("minitest", "all", 1),
        )
    ),
    Case("visdial", "val", 110, _rounds("visdial/visdial_1.0_val.json")),
    Case("visdial", "test", 121, _rounds("visdial/visdial_1.0_test.json")),
    Case("textvqa", "val", 8, _size("textvqa/TextVQA_0.5.1_val.json", "data")),
    Case("msvd_qa", "train", 113, _size("msvd_qa/train_qa.json")),
    Case("msvd_qa", "val", 108, _size("msvd_qa/val_qa.json")),
    Case("msvd_qa", "test", 97, _size("msvd_qa/test_qa.json")),
    Case("msrvtt_qa", "val", 186, _size("msrvtt_qa/val_qa.json")),
)


class Item(NamedTuple):
    """The raw item of a sample: the raw id that it should have, and a text to be found in it."""

    raw_id: str
    text: str


def find_item(sample: Mapping[str, Any]) -> Item:
    """Find the item that a sample's source and position point to."""
    dataset, source, at = sample["dataset"], sample["source"], sample["position"]
    raw_id = str(sample["record_id"]).split("/", 2)[2]
    found = load(source)
    match dataset.removesuffix("_qg"):
        case "coco_caption" if isinstance(found, list):
            image = found[at]["image"]
            ordinal = sum(one["image"] == image for one in found[:at])
            return Item(f"{image[-10:-4].lstrip('0')}-{ordinal}", found[at]["caption"])
        case "coco_caption" if "annotations" not in found:
            image = found["images"][at]
            return Item(str(image["cocoid"]), image["sentences"][0]["raw"])
        case "coco_caption" | "nocaps" if sample["form"] == "caption_set":
            image = found["images"][at]["id"]
            captions = [one for one in found["annotations"] if one["image_id"] == image]
            return Item(str(image), captions[0]["caption"])
        case "coco_caption":
            return Item(str(found["annotations"][at]["id"]), found["annotations"][at]["caption"])
        case "web_capfilt":
            key = hashlib.sha256(found[at]["url"].encode()).hexdigest()[:20]
            return Item(f"{key}-{raw_id.rpartition('-')[2]}", found[at]["caption"])
        case "vqav2" | "okvqa":
            return Item(
                str(found["questions"][at]["question_id"]), found["questions"][at]["question"]
            )
        case "aokvqa":
            form = f"/{raw_id.rpartition('/')[2]}" if "/" in raw_id else ""
            return Item(found[at]["question_id"] + form, found[at]["question"])
        case "ocr_vqa":
            key, book = list(found.items())[at]
            number = int(raw_id.rpartition("-")[2])
            return Item(f"{key}-{number}", book["questions"][number])
        case "llava_conversation" | "llava_detail" | "llava_reasoning":
            turn = int(raw_id.rpartition("-")[2])
            name = Path(source).stem
            return Item(f"{name}/{at}-{turn}", found[at]["conversations"][2 * turn + 1]["value"])
        case "flickr30k" if isinstance(found, dict):
            image = found["images"][at]
            return Item(Path(image["filename"]).stem, image["sentences"][0]["raw"])
        case "flickr30k" if isinstance(found[at], str):
            name, _, caption = found[at].partition("\t")
            return Item(name.partition(".")[0], caption)
        case "flickr30k":
            return Item(Path(found[at]["image"]).stem, found[at]["caption"][0])
        case "vizwiz":
            return Item(found[at]["image"], found[at]["question"])
        case "gqa" | "iconqa" | "scienceqa":
            key, problem = list(found.items())[at]
            return Item(key, problem["question"])
        case "vsr":
            return Item(f"{Path(source).parent.name}-{at}", found[at]["caption"])
        case "visdial":
            dialog = found["data"]["dialogs"][at]
            number = int(raw_id.rpartition("-")[2])
            question = dialog["dialog"][number - 1]["question"]
            return Item(f"{dialog['image_id']}-{number}", found["data"]["questions"][question])
        case "textvqa":
            return Item(str(found["data"][at]["question_id"]), found["data"][at]["question"])
        case _:
            return Item(str(found[at]["id"]), found[at]["question"])
