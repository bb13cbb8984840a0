"""Tables: CSV, TSV and JSON, their choices, splits and ways to name pictures."""

import base64
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
from shape_files import (
    ANSWERS,
    QUESTION,
    Said,
    dump,
    dump_csv,
    dump_lines,
    numbered,
    numbered_rows,
    photos,
    picture,
    rows_of,
    said,
    shape,
)


@shape
def csv_questions(folder: Path) -> list[Said]:
    photos(folder / "photos")
    dump_csv(folder / "train.csv", rows_of())
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
    lines = [f"{row['img']}\t{row['q']}\t{row['a']}" for row in rows_of()]
    with gzip.open(folder / "train.tsv.gz", "wt", encoding="utf-8") as handle:
        handle.write("\n".join(["img\tq\ta", *lines]) + "\n")
    return said()


@shape
def jsonl_zstd(folder: Path) -> list[Said]:
    photos(folder)
    text = "".join(f"{json.dumps(row)}\n" for row in rows_of())
    with pa.CompressedOutputStream(str(folder / "train.jsonl.zst"), "zstd") as stream:
        stream.write(text.encode())
    return said()


@shape
def json_in_zip(folder: Path) -> list[Said]:
    """The table in one archive, the pictures in another."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "train.json.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/train.json", json.dumps(rows_of()))
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"images/{number}.jpg", picture(number))
    return said()


@shape
def json_within_object(folder: Path) -> list[Said]:
    photos(folder)
    dump(folder / "data.json", {"version": 1, "data": rows_of()})
    return said()


@shape
def choices_in_columns(folder: Path) -> list[Said]:
    """MMBench's form: A, B, C, D and the letter of the right one."""
    photos(folder)
    columns = dict(zip("ABCD", ANSWERS, strict=True))
    dump_csv(
        folder / "dev.tsv.csv", [row | columns | {"a": "ABCD"[at]} for at, row in numbered_rows()]
    )
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def choices_from_one(folder: Path) -> list[Said]:
    photos(folder)
    rows = [row | {"options": list(ANSWERS), "right": at + 1} for at, row in numbered_rows()]
    dump_lines(folder / "quiz.jsonl", rows)
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def choices_by_label(folder: Path) -> list[Said]:
    """Pairs of label and text, as in ARC-like sets; the right one by its label."""
    photos(folder)
    pairs = [{"label": label, "text": text} for label, text in zip("PQRS", ANSWERS, strict=True)]
    rows = [row | {"choices": pairs, "key": "PQRS"[at]} for at, row in numbered_rows()]
    dump(folder / "quiz.json", rows)
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def choices_as_object(folder: Path) -> list[Said]:
    photos(folder)
    options = dict(zip("ABCD", ANSWERS, strict=True))
    rows = [
        row | {"options": json.dumps(options), "answer": "ABCD"[at]} for at, row in numbered_rows()
    ]
    dump_csv(folder / "quiz.csv", rows)
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def several_captions(folder: Path) -> list[Said]:
    photos(folder)
    rows = [{"image": f"{at}.jpg", "caption": [f"A {a} field", f"All {a}"]} for at, a in numbered()]
    dump_lines(folder / "train.jsonl", rows)
    dump_lines(folder / "val.jsonl", rows[:1])
    return [(None, text) for _, a in numbered() for text in (f"A {a} field", f"All {a}")]


@shape
def split_column(folder: Path) -> list[Said]:
    photos(folder)
    splits = ("train", "Validation", "train", "test")
    dump_csv(folder / "all.csv", rows_of(split=splits))
    return [one for one, split in zip(said(), splits, strict=True) if split == "train"]


@shape
def split_share(folder: Path) -> list[Said]:
    photos(folder, [f"{at}.jpg" for at in range(40)])
    rows = rows_of() * 10
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
    rows = [row | {"image_id": at} for at, row in numbered_rows()]
    dump_lines(folder / "train.jsonl", rows)
    return said()


@shape
def base64_column(folder: Path) -> list[Said]:
    """MMBench's and LLaVA-Bench's TSV: the picture in base64."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row | {"image": base64.b64encode(picture(at)).decode()} for at, row in numbered_rows()]
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
    dump_csv(folder / "train.csv", [row | {"url": urls[at]} for at, row in numbered_rows()])
    return said()
