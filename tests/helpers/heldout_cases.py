"""A tiny whole release for each held-out reader, as the authors lay it out; no text is theirs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reader_help import Outcome, run_reader

from instructify.readers import READERS
from instructify.readers.base import OptionValue

Content = Any  # a JSON value; for .jsonl a list of them; for text files a str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Files of one split: role => (file name, content), with the options of the catalog."""

    reader: str
    split: str
    files: Mapping[str, tuple[str, Content]]
    options: Mapping[str, OptionValue]
    num_records: int

    def run(self, folder: Path, split: str | None = None, **changed: OptionValue) -> Outcome:
        """Write the files and read them, with some options changed."""
        return self.run_with({}, folder, split, **changed)

    def run_with(
        self,
        contents: Mapping[str, Content],
        folder: Path,
        split: str | None = None,
        **changed: OptionValue,
    ) -> Outcome:
        """Do the same with other contents in some roles; a role with None has no file."""
        files: dict[str, Path] = {}
        for role, (name, content) in self.files.items():
            chosen = contents.get(role, content)
            if chosen is not None:
                files[role] = folder / name
                files[role].write_bytes(to_bytes(name, chosen))
        return run_reader(
            READERS[self.reader],
            files,
            split=split or self.split,
            options={**self.options, **changed},
        )


def to_bytes(name: str, content: Content) -> bytes:
    """Write content as a file of this name holds it."""
    if isinstance(content, bytes):
        return content
    if name.endswith(".jsonl") and isinstance(content, list):
        return "".join(json.dumps(item) + "\n" for item in content).encode()
    if name.endswith((".json", ".jsonl")):
        return json.dumps(content).encode()
    return str(content).encode("utf-8", "surrogateescape")


NOCAPS = Case(
    reader="nocaps",
    split="val",
    files={
        "captions": (
            "captions.json",
            {
                "info": {"version": "0.1"},
                "images": [
                    {
                        "id": 0,
                        "open_images_id": "00aa",
                        "file_name": "00aa.jpg",
                        "domain": "in-domain",
                    },
                    {"id": 1, "file_name": "00bb.jpg"},
                ],
                "annotations": [
                    {"id": 10, "image_id": 1, "caption": "Two  red\nballs "},
                    {"id": 0, "image_id": 0, "caption": "A cube."},
                    {"id": 11, "image_id": 1, "caption": "balls"},
                ],
            },
        )
    },
    options={},
    num_records=2,
)

_KARPATHY = {
    "dataset": "flickr30k",
    "images": [
        {
            "filename": "1000.jpg",
            "split": split,
            "sentences": [{"raw": f"A cube &amp; a {split} ball ."}, {"raw": "Two things#1"}],
        }
        for split in ("train", "val", "test")
    ],
}

FLICKR30K = Case(
    reader="flickr30k",
    split="test",
    files={
        "karpathy": ("karpathy.json", _KARPATHY),
        "lavis": (
            "lavis.json",
            [
                {"image": "flickr30k-images/2000.jpg", "caption": ["One cube.", "A cube."]},
                {"image": "flickr30k-images/2000.jpg", "caption": "A third caption."},
            ],
        ),
    },
    options={"split_source": "auto"},
    num_records=1,
)

FLICKR30K_TOKENS = Case(
    reader="flickr30k",
    split="all",
    files={
        "tokens": (
            "results.token",
            "1000.jpg#0\tA cube\twith a #1 on it .\n2000.jpg#0\tA ball .\n1000.jpg#1 The  cube .\n",
        )
    },
    options={"split_source": "auto"},
    num_records=2,
)

VIZWIZ = Case(
    reader="vizwiz",
    split="val",
    files={
        "questions": (
            "val.json",
            [
                {
                    "image": "VizWiz_val_000000028000.jpg",
                    "question": "Hello. What is this",
                    "answerable": 1,
                    "answer_type": "unanswerable",
                    "answers": [
                        {"answer": text, "answer_confidence": "yes"}
                        for text in ("cube", "unsuitable", "unanswerable", "cube", "unsuitable")
                    ],
                },
                {
                    "answers": [{"answer_confidence": "no", "answer": " cube "}, {"answer": ""}],
                    "answer_type": "other",
                    "answerable": 0,
                    "question": "Which toy?",
                    "image": "VizWiz_val_00000000.jpg",
                },
                {"image": "VizWiz_test_00000002.jpg", "question": "Which color?"},
            ],
        )
    },
    options={"target": "most_common", "unanswerable": "keep"},
    num_records=3,
)

GQA = Case(
    reader="gqa",
    split="testdev",
    files={
        "questions": (
            "questions.json",
            {
                "00101": {
                    "question": "The cube is what color?",
                    "imageId": "2356112",
                    "answer": "red",
                    "fullAnswer": "The cube is red.",
                    "groups": {"global": None, "local": "x"},
                    "types": {"structural": "query", "semantic": "attr"},
                    "semantic": [{"operation": "select", "argument": "cube", "dependencies": []}],
                    "annotations": {"answer": {"0": "82"}},
                },
                "101": {"question": "Is it red?", "imageId": "n161313"},
            },
        )
    },
    options={"questions": "balanced"},
    num_records=2,
)

VSR = Case(
    reader="vsr",
    split="test",
    files={
        "data": (
            "test.jsonl",
            [
                {
                    "image": "000000239417.jpg",
                    "image_link": "http://images.cocodataset.org/train2017/000000239417.jpg",
                    "caption": "The cube is left of the ball.",
                    "label": label,
                    "relation": "left of",
                    "vote_true_validator_id": "[2, 10]",
                    "reference_frame": frame,
                }
                for label, frame in ((1, None), (0, 1.0))
            ],
        )
    },
    options={"variant": "zeroshot"},
    num_records=2,
)

ICONQA = Case(
    reader="iconqa",
    split="test",
    files={
        "problems": (
            "problems.json",
            {
                "5": {
                    "question": "Which is third?",
                    "choices": ["cube", "ball", "cone"],
                    "answer": 1,
                    "ques_type": "choose_txt",
                },
                "007": {
                    "question": "Which has corners?",
                    "choices": ["choice_0.png", "choice_1.png"],
                    "answer": 0,
                    "ques_type": "choose_img",
                },
                "9": {
                    "question": "How many?",
                    "answer": "1,364",
                    "unit": "cubes",
                    "hint": "Count.",
                    "ques_type": "fill_in_blank",
                },
                "11": {"question": "Of train", "answer": "1", "ques_type": "fill_in_blank"},
            },
        ),
        "splits": (
            "pid_splits.json",
            {
                "choose_txt_test": ["5"],
                "choose_img_test": ["007"],
                "fill_in_blank_test": ["9"],
                "fill_in_blank_train": ["11"],
            },
        ),
    },
    options={"kind": "all"},
    num_records=3,
)

SCIENCEQA = Case(
    reader="scienceqa",
    split="test",
    files={
        "problems": (
            "problems.json",
            {
                "4": {
                    "question": "Is it true?\nThe cube is round.",
                    "choices": ["true", "false"],
                    "answer": 1,
                    "hint": "",
                    "image": None,
                    "subject": "language science",
                    "lecture": "long",
                    "split": "test",
                },
                "27": {
                    "question": "Which is round?",
                    "choices": ["cube", "ball"],
                    "answer": 1,
                    "hint": "Look\nclosely.",
                    "image": "image.png",
                    "subject": "natural science",
                    "split": "test",
                },
            },
        ),
        "splits": ("pid_splits.json", {"test": ["27", "4"], "minitest": ["27"], "train": []}),
    },
    options={"pictures": "all"},
    num_records=2,
)

VISDIAL = Case(
    reader="visdial",
    split="val",
    files={
        "data": (
            "visdial.json",
            {
                "version": "1.0",
                "split": "val2018",
                "data": {
                    "questions": ["is it a cube", "is it red", " any people "],
                    "answers": ["yes", "no", "can't tell", "0"],
                    "dialogs": [
                        {
                            "image_id": 42,
                            "caption": "a cube  on a table ",
                            "dialog": [
                                {
                                    "question": 0,
                                    "answer": 0,
                                    "answer_options": [0, 1, 2],
                                    "gt_index": 0,
                                },
                                {
                                    "question": 1,
                                    "answer": 1,
                                    "answer_options": [3, 2, 1],
                                    "gt_index": 2,
                                },
                                {
                                    "question": 2,
                                    "answer": 2,
                                    "answer_options": [2, 0],
                                    "gt_index": 0,
                                },
                            ],
                        }
                    ],
                },
            },
        ),
        "dense": ("dense.json", [{"image_id": 42, "round_id": 2, "gt_relevance": [0.0, 0.5, 1]}]),
    },
    options={"dense": "auto"},
    num_records=3,
)

TEXTVQA = Case(
    reader="textvqa",
    split="val",
    files={
        "questions": (
            "questions.json",
            {
                "dataset_type": "val",
                "data": [
                    {
                        "question": "what is the brand?",
                        "question_id": 34602,
                        "image_id": "00aa",
                        "image_classes": ["Cube"],
                        "answers": ["acme ", "acme", "unanswerable"],
                    },
                    {"question": "what word?", "question_id": 34603, "image_id": "00bb"},
                ],
            },
        ),
        "ocr": (
            "ocr.json",
            {
                "data": [
                    {
                        "image_id": "00aa",
                        "ocr_tokens": ["ACME", " ", "toys", "co"],
                        "ocr_info": [{"word": "ACME", "bounding_box": {"width": 0.5}}],
                    }
                ]
            },
        ),
    },
    options={"target": "most_common", "ocr_tokens": 30},
    num_records=2,
)

HATEFUL_MEMES = Case(
    reader="hateful_memes",
    split="val",
    files={
        "data": (
            "dev.jsonl",
            [
                {"id": 2345, "img": "img/02345.png", "label": 1, "text": " look at this cube "},
                {"id": 45678, "img": "img/45678.png", "label": 0, "text": "{{ a }} <image> </s>"},
                {"id": 7, "img": "img/00007.png", "text": "no label"},
            ],
        )
    },
    options={},
    num_records=3,
)

MSVD_QA = Case(
    reader="msvd_qa",
    split="test",
    files={
        "questions": (
            "qa.json",
            [
                {"answer": "cube", "id": 0, "question": "what is falling?", "video_id": 1},
                {"answer": "none", "id": 1, "question": "Who is there?", "video_id": 2},
                {"answer": "two", "id": 2, "question": "is it red?", "video_id": 2},
            ],
        ),
        "mapping": ("mapping.txt", "-4wsuPCjDBc_5_15 vid1\nab_cd-efgh__1_30 vid2\n"),
    },
    options={},
    num_records=3,
)

MSRVTT_QA = Case(
    reader="msrvtt_qa",
    split="val",
    files={
        "questions": (
            "qa.json",
            [
                {
                    "answer": "coversation",
                    "category_id": 0,
                    "id": 7,
                    "question": "what is it?",
                    "video_id": 6513,
                }
            ],
        )
    },
    options={},
    num_records=1,
)

IVQA = Case(
    reader="ivqa",
    split="test",
    files={
        "questions": (
            "test.csv",
            "video_id,confidence,start,end,question,answer1,answer2,answer3,answer4,answer5\n"
            'a-_bcdefghi,3,10,20,"What, then?",nothing,none,none,null,NA\n'
            "bbbbbbbbbbb,1,0,7,How?,by hand,hand,,,\n",
        )
    },
    options={},
    num_records=2,
)

CASES = (
    NOCAPS,
    FLICKR30K,
    FLICKR30K_TOKENS,
    VIZWIZ,
    GQA,
    VSR,
    ICONQA,
    SCIENCEQA,
    VISDIAL,
    TEXTVQA,
    HATEFUL_MEMES,
    MSVD_QA,
    MSRVTT_QA,
    IVQA,
)
