"""Own data in the shapes that people hold, written by the libraries that own the shapes.

Each maker fills the folder of one dataset and returns what its records must say, in order of their
ids: (question, answer) with further fields where the shape is about them. The entries stand in
docs/own-data.md.
"""

import base64
import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

Said = tuple[str | None, ...]
Maker = Callable[[Path], list[Said]]
MAKERS: dict[str, Maker] = {}

COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 200), (220, 200, 40))
ANSWERS = ("red", "green", "blue", "yellow")
QUESTION = "Which colour is it?"


def shape(maker: Maker) -> Maker:
    """Enter a maker under its own name."""
    MAKERS[maker.__name__] = maker
    return maker


def picture(number: int, kind: str = "JPEG") -> bytes:
    """Draw a small picture, another for every number."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (24, 20), COLOURS[number % 4])
    image.putpixel((0, 0), (number, number, number))
    image.save(buffer, kind)
    return buffer.getvalue()


def photos(folder: Path, names: Sequence[str] = ("0.jpg", "1.jpg", "2.jpg", "3.jpg")) -> None:
    """Write one picture for each name."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))


def dump(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def dump_lines(path: Path, rows: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def dump_csv(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def said(question: str | None = QUESTION) -> list[Said]:
    return [(question, answer) for answer in ANSWERS]


# Conversations


@shape
def llava_json(folder: Path) -> list[Said]:
    photos(folder / "images")
    turns = [
        {"from": "human", "value": f"<image>\n{QUESTION}"},
        {"from": "gpt", "value": "It is red."},
        {"from": "human", "value": "Is it large?"},
        {"from": "gpt", "value": "No."},
    ]
    dump(folder / "chat.json", [{"id": "a", "image": "0.jpg", "conversations": turns}])
    return [(QUESTION, "It is red."), ("Is it large?", "No.")]


@shape
def llava_two_pictures(folder: Path) -> list[Said]:
    photos(folder / "images")
    item = {
        "id": "a",
        "image": ["0.jpg", "1.jpg"],
        "conversations": [
            {"from": "human", "value": "<image>\n<image>\nWhat differs?"},
            {"from": "gpt", "value": "The colour."},
        ],
    }
    text = {"id": "b", "conversations": [{"from": "human", "value": "Two and two?"}]}
    text["conversations"] = [*text["conversations"], {"from": "gpt", "value": "Four."}]
    dump_lines(folder / "chat.jsonl", [item, text])
    return [("What differs?", "The colour.", "2"), ("Two and two?", "Four.", "0")]


@shape
def sharegpt(folder: Path) -> list[Said]:
    """The form that LLaMA-Factory calls sharegpt, with a list of pictures and a system text."""
    photos(folder / "images")
    rows = [
        {
            "conversations": [
                {"from": "human", "value": f"<image>{QUESTION}"},
                {"from": "gpt", "value": answer},
            ],
            "system": "Answer in one word.",
            "images": [f"images/{number}.jpg"],
        }
        for number, answer in enumerate(ANSWERS)
    ]
    dump(folder / "data.json", rows)
    return said(f"Answer in one word.\n{QUESTION}")


@shape
def openai_messages(folder: Path) -> list[Said]:
    """Parts of text and image, the image as a data URL, as the API takes them."""
    rows = []
    for number, answer in enumerate(ANSWERS):
        url = "data:image/png;base64," + base64.b64encode(picture(number, "PNG")).decode()
        parts = [
            {"type": "text", "text": QUESTION},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        user = {"role": "user", "content": parts}
        rows.append({"messages": [user, {"role": "assistant", "content": answer}]})
    dump_lines(folder / "messages.jsonl", rows)
    return said()


@shape
def llama_factory_mllm(folder: Path) -> list[Said]:
    """LLaMA-Factory's multimodal demo: `messages` whose text holds the marks, and `images`."""
    photos(folder / "demo")
    messages = [
        {"content": "<image>Who is there?", "role": "user"},
        {"content": "Somebody in red.", "role": "assistant"},
        {"content": "<image>And here?", "role": "user"},
        {"content": "Somebody in green.", "role": "assistant"},
    ]
    row = {"messages": messages, "images": ["demo/0.jpg", "demo/1.jpg"]}
    dump(folder / "mllm_demo.json", [row])
    return [("Who is there?", "Somebody in red.", "1"), ("And here?", "Somebody in green.", "2")]


@shape
def llama_factory_alpaca(folder: Path) -> list[Said]:
    photos(folder)
    rows = [
        {
            "instruction": QUESTION,
            "input": "",
            "output": answer,
            "history": [["Is it a picture?", "Yes."]],
            "images": [f"{number}.jpg"],
        }
        for number, answer in enumerate(ANSWERS)
    ]
    dump(folder / "alpaca.json", rows)
    return said()


@shape
def trl_prompt_completion(folder: Path) -> list[Said]:
    """What TRL trains on: `prompt` and `completion`, with the pictures in a column of images."""
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    part = {"type": Value("string"), "text": Value("string")}
    message = {"role": Value("string"), "content": [part]}
    features = Features({"prompt": [message], "completion": [message], "images": [ImageFeature()]})
    rows = [
        {
            "prompt": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "text": None},
                        {"type": "text", "text": QUESTION},
                    ],
                }
            ],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
            "images": [{"bytes": picture(number), "path": None}],
        }
        for number, answer in enumerate(ANSWERS)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")
    return said()


@shape
def cauldron(folder: Path) -> list[Said]:
    """Pairs of user and assistant beside a list of pictures, in Parquet."""
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    pair = {"user": Value("string"), "assistant": Value("string"), "source": Value("string")}
    features = Features({"images": [ImageFeature()], "texts": [pair]})
    rows = [
        {
            "images": [{"bytes": picture(0), "path": None}],
            "texts": [
                {"user": QUESTION, "assistant": "Red.", "source": "x"},
                {"user": "Sure?", "assistant": "Yes.", "source": "x"},
            ],
        }
    ]
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "train-0.parquet")
    return [(QUESTION, "Red."), ("Sure?", "Yes.")]


# Tables


def _rows(**more: Sequence[object]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, answer in enumerate(ANSWERS):
        row: dict[str, object] = {"img": f"{number}.jpg", "q": QUESTION, "a": answer}
        rows.append(row | {name: values[number] for name, values in more.items()})
    return rows


@shape
def csv_questions(folder: Path) -> list[Said]:
    photos(folder / "photos")
    dump_csv(folder / "train.csv", _rows())
    return said()


@shape
def csv_from_pandas(folder: Path) -> list[Said]:
    """Numbers of a column with gaps come as 1.0, lists as Python prints them."""
    import pandas as pd

    photos(folder)
    frame = pd.DataFrame(
        {
            "img": [f"{number}.jpg" for number in range(4)] + [None],
            "q": QUESTION,
            "options": [list(ANSWERS)] * 5,
            "right": [0, 1, 2, 3, None],
        }
    )
    frame.dropna(subset=["img"]).to_csv(folder / "quiz.csv", index=False)
    frame.to_csv(folder / "with_gaps.csv", index=False)
    return said()


@shape
def tsv_packed(folder: Path) -> list[Said]:
    photos(folder)
    lines = [f"{row['img']}\t{row['q']}\t{row['a']}" for row in _rows()]
    with gzip.open(folder / "train.tsv.gz", "wt", encoding="utf-8") as handle:
        handle.write("\n".join(["img\tq\ta", *lines]) + "\n")
    return said()


@shape
def jsonl_zstd(folder: Path) -> list[Said]:
    photos(folder)
    text = "".join(f"{json.dumps(row)}\n" for row in _rows())
    with pa.CompressedOutputStream(str(folder / "train.jsonl.zst"), "zstd") as stream:
        stream.write(text.encode())
    return said()


@shape
def json_in_zip(folder: Path) -> list[Said]:
    """The table in one archive, the pictures in another."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "train.json.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/train.json", json.dumps(_rows()))
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"images/{number}.jpg", picture(number))
    return said()


@shape
def json_within_object(folder: Path) -> list[Said]:
    photos(folder)
    dump(folder / "data.json", {"version": 1, "data": _rows()})
    return said()


@shape
def choices_in_columns(folder: Path) -> list[Said]:
    """MMBench's form: A, B, C, D and the letter of the right one."""
    photos(folder)
    columns = dict(zip("ABCD", ANSWERS, strict=True))
    dump_csv(folder / "dev.tsv.csv", [row | columns | {"a": "ABCD"[at]} for at, row in _at()])
    return [(*one, "red|green|blue|yellow") for one in said()]


def _at() -> list[tuple[int, dict[str, object]]]:
    return list(enumerate(_rows()))


@shape
def choices_from_one(folder: Path) -> list[Said]:
    photos(folder)
    rows = [row | {"options": list(ANSWERS), "right": at + 1} for at, row in _at()]
    dump_lines(folder / "quiz.jsonl", rows)
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def choices_by_label(folder: Path) -> list[Said]:
    """Pairs of label and text, as in ARC-like sets; the right one by its label."""
    photos(folder)
    pairs = [{"label": label, "text": text} for label, text in zip("PQRS", ANSWERS, strict=True)]
    rows = [row | {"choices": pairs, "key": "PQRS"[at]} for at, row in _at()]
    dump(folder / "quiz.json", rows)
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def choices_as_object(folder: Path) -> list[Said]:
    photos(folder)
    options = dict(zip("ABCD", ANSWERS, strict=True))
    rows = [row | {"options": json.dumps(options), "answer": "ABCD"[at]} for at, row in _at()]
    dump_csv(folder / "quiz.csv", rows)
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def several_captions(folder: Path) -> list[Said]:
    photos(folder)
    rows = [{"image": f"{at}.jpg", "caption": [f"A {a} field", f"All {a}"]} for at, a in _named()]
    dump_lines(folder / "train.jsonl", rows)
    dump_lines(folder / "val.jsonl", rows[:1])
    return [(None, text) for _, a in _named() for text in (f"A {a} field", f"All {a}")]


def _named() -> list[tuple[int, str]]:
    return list(enumerate(ANSWERS))


@shape
def split_column(folder: Path) -> list[Said]:
    photos(folder)
    splits = ("train", "Validation", "train", "test")
    dump_csv(folder / "all.csv", _rows(split=splits))
    return [one for one, split in zip(said(), splits, strict=True) if split == "train"]


@shape
def split_share(folder: Path) -> list[Said]:
    photos(folder, [f"{at}.jpg" for at in range(40)])
    rows = _rows() * 10
    dump_csv(folder / "all.csv", [row | {"img": f"{at}.jpg"} for at, row in enumerate(rows)])
    return said() * 10


@shape
def pictures_in_a_cell(folder: Path) -> list[Said]:
    photos(folder)
    dump_csv(folder / "train.csv", [{"imgs": "0.jpg|1.jpg", "q": "What differs?", "a": "Colour"}])
    return [("What differs?", "Colour", "2")]


@shape
def names_from_ids(folder: Path) -> list[Said]:
    """A number in place of a name, as in COCO's files."""
    photos(folder / "photos", [f"COCO_train2014_{at:012d}.jpg" for at in range(4)])
    rows = [row | {"image_id": at} for at, row in _at()]
    dump_lines(folder / "train.jsonl", rows)
    return said()


@shape
def base64_column(folder: Path) -> list[Said]:
    """MMBench's and LLaVA-Bench's TSV: the picture in base64."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row | {"image": base64.b64encode(picture(at)).decode()} for at, row in _at()]
    lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
    (folder / "bench.tsv").write_text("\n".join(lines) + "\n")
    return said()


@shape
def addresses(folder: Path) -> list[Said]:
    """Addresses whose pictures img2dataset fetched into tars, with a JSON beside each picture."""
    urls = [f"https://example.org/{at}.jpg" for at in range(4)]
    (folder / "fetched").mkdir(parents=True)
    with tarfile.open(folder / "fetched" / "00000.tar", "w") as tar:
        for at, url in enumerate(urls):
            note = json.dumps({"url": url, "status": "success", "key": f"{at:09d}"}).encode()
            for name, data in ((f"{at:09d}.jpg", picture(at)), (f"{at:09d}.json", note)):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    dump_csv(folder / "train.csv", [row | {"url": urls[at]} for at, row in _at()])
    return said()


# COCO and VQA


@shape
def coco_captions(folder: Path) -> list[Said]:
    photos(folder / "val2017", [f"{at:012d}.jpg" for at in range(4)])
    images = [{"id": 100 + at, "file_name": f"{at:012d}.jpg"} for at in range(4)]
    notes = [
        {"id": at, "image_id": 100 + at, "caption": f"A {answer} field"} for at, answer in _named()
    ]
    dump(folder / "captions.json", {"info": {}, "images": images, "annotations": notes})
    return [(None, f"A {answer} field") for answer in ANSWERS]


@shape
def vqa_pair(folder: Path) -> list[Said]:
    photos(folder / "images", [f"COCO_train2014_{at:012d}.jpg" for at in range(4)])
    questions = [{"image_id": at, "question": QUESTION, "question_id": 10 + at} for at in range(4)]
    notes = [
        {"question_id": 10 + at, "answers": [{"answer": answer, "answer_id": 1}] * 3}
        for at, answer in reversed(_named())
    ]
    dump(folder / "questions.json", {"questions": questions})
    dump(folder / "annotations.json", {"annotations": notes})
    return said()


@shape
def lavis_vqa(folder: Path) -> list[Said]:
    photos(folder / "images")
    rows = [
        {
            "question_id": at,
            "question": QUESTION,
            "answer": [answer, answer, "dark"],
            "image": f"{at}.jpg",
            "dataset": "vqa",
        }
        for at, answer in _named()
    ]
    dump(folder / "vqa_train.json", rows)
    return said()


# Hugging Face


def _image_dataset(**columns: Any) -> Any:
    from datasets import Dataset
    from datasets import Image as ImageFeature

    pictures = [{"bytes": picture(at), "path": f"{at}.jpg"} for at in range(4)]
    dataset = Dataset.from_dict({"image": pictures, **columns})
    return dataset.cast_column("image", ImageFeature())


@shape
def hub_parquet(folder: Path) -> list[Said]:
    """The layout of the Hub: shards below data/, pictures inside."""
    whole = _image_dataset(question=[QUESTION] * 4, answer=list(ANSWERS))
    (folder / "data").mkdir(parents=True)
    for part in range(2):
        name = f"train-{part:05d}-of-00002.parquet"
        whole.select(range(2 * part, 2 * part + 2)).to_parquet(folder / "data" / name)
    return said()


@shape
def hub_multiple_choice(folder: Path) -> list[Said]:
    whole = _image_dataset(
        question=[QUESTION] * 4, choices=[list(ANSWERS)] * 4, answer=[0, 1, 2, 3]
    )
    (folder / "data").mkdir(parents=True)
    whole.to_parquet(folder / "data" / "validation-00000-of-00001.parquet")
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def hub_class_labels(folder: Path) -> list[Said]:
    from datasets import ClassLabel

    whole = _image_dataset(label=[0, 1, 2, 3]).cast_column("label", ClassLabel(names=list(ANSWERS)))
    folder.mkdir(parents=True)
    whole.to_parquet(folder / "train.parquet")
    return [("What is shown in the picture?", answer) for answer in ANSWERS]


@shape
def parquet_of_paths(folder: Path) -> list[Said]:
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    photos(folder)
    features = Features({"image": ImageFeature(), "q": Value("string"), "a": Value("string")})
    rows = [
        {"image": str(folder / str(row["img"])), "q": row["q"], "a": row["a"]} for row in _rows()
    ]
    Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")
    return said()


@shape
def saved_to_disk(folder: Path) -> list[Said]:
    from datasets import DatasetDict

    whole = _image_dataset(question=[QUESTION] * 4, answer=list(ANSWERS))
    DatasetDict({"train": whole, "test": whole.select([0])}).save_to_disk(
        folder / "saved", num_shards={"train": 2, "test": 1}
    )
    return said()


@shape
def image_folder_classes(folder: Path) -> list[Said]:
    photos(folder, [f"{split}/{a}/{at}.jpg" for split in ("train", "test") for at, a in _named()])
    return [("What is shown in the picture?", answer) for answer in sorted(ANSWERS)]


@shape
def image_folder_metadata(folder: Path) -> list[Said]:
    photos(folder / "train", ["a/0.jpg", "a/1.jpg", "a/2.jpg", "a/3.jpg"])
    rows: list[dict[str, object]] = [
        {"file_name": f"a/{at}.jpg", "text": f"A {answer} field"} for at, answer in _named()
    ]
    dump_csv(folder / "train" / "metadata.csv", rows)
    return [(None, f"A {answer} field") for answer in ANSWERS]


@shape
def webdataset_tars(folder: Path) -> list[Said]:
    import webdataset

    folder.mkdir(parents=True)
    with webdataset.ShardWriter(str(folder / "train-%05d.tar"), maxcount=2, verbose=0) as sink:
        for at, answer in _named():
            row = {"question": QUESTION, "answer": answer}
            sink.write({"__key__": f"s{at:03d}", "jpg": picture(at), "json": row})
    return said()


@shape
def webdataset_captions(folder: Path) -> list[Said]:
    import webdataset

    folder.mkdir(parents=True)
    with webdataset.TarWriter(str(folder / "cc3m.tar")) as sink:
        for at, answer in _named():
            sink.write({"__key__": f"s{at:03d}", "png": picture(at, "PNG"), "txt": f"All {answer}"})
    return [(None, f"All {answer}") for answer in ANSWERS]
