"""A twin spoiled on purpose: faults of every kind that raw folders have, and what must be said."""

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from instructify.twins.make import make_twin

RELEASES = ("vqav2", "aokvqa", "visdial", "msvd_qa", "hateful_memes", "web_capfilt")
DATASETS = RELEASES


class Planted(NamedTuple):
    """A fault and how `check` must name it: the cause, the thing, and words of the reason."""

    cause: str
    item: str
    words: str


def make_damaged(raw: Path) -> list[Planted]:
    """Make twins below `raw` and spoil them."""
    make_twin(RELEASES, raw, scale=0.3)
    return [*_photographs(raw), *_memes(raw), *_clips(raw), *_files(raw), *_tars(raw)]


def make_hidden(raw: Path) -> list[Planted]:
    """Spoil what only decoding shows: the middle of one more photograph and one more meme."""
    photograph, meme = _vqa_pictures(raw)[-1], _meme_pictures(raw)[-1]
    data = photograph.read_bytes()
    photograph.write_bytes(data[:30] + bytes(range(256)) * 4 + b"\xff\xd9")
    picture = bytearray(meme.read_bytes())
    at = picture.index(b"IDAT") + 6
    picture[at : at + 40] = bytes(40)
    meme.write_bytes(picture)
    return [
        Planted("picture-unreadable", _coco_key(photograph), "jpeg"),
        Planted("picture-unreadable", _meme_key(meme), "png"),
    ]


def _photographs(raw: Path) -> Iterator[Planted]:
    """Spoil one photograph of VQAv2 train after another."""
    whole = Image.new("RGB", (64, 48), "green")
    spoil: list[tuple[str, str, Callable[[Path, bytes], object]]] = [
        ("picture-missing", "no train2014/COCO", lambda path, _: path.unlink()),
        ("picture-empty", "0 bytes", lambda path, _: path.write_bytes(b"")),
        ("not-a-picture", "HTML", lambda path, _: path.write_text("<!DOCTYPE html><p>404</p>")),
        ("picture-truncated", "jpeg", lambda path, data: path.write_bytes(data[: len(data) // 2])),
        ("picture-truncated", "jpeg", lambda path, data: path.write_bytes(data[:-2])),
        ("picture-too-large", "65500 x 65500", lambda path, data: path.write_bytes(_huge(data))),
        ("suffix-differs", "gif", lambda path, _: path.write_bytes(_saved(whole, "GIF"))),
        ("suffix-differs", "png", lambda path, _: path.write_bytes(_saved(whole, "PNG"))),
        ("picture-truncated", "webp", lambda path, _: path.write_bytes(_saved(whole, "WEBP")[:-8])),
        ("not-a-picture", "is a folder", _folder_instead),
        ("path-outside-root", "--images", _link_outside),
    ]
    pictures = _vqa_pictures(raw)
    assert len(pictures) > len(spoil)
    for path, (cause, words, damage) in zip(pictures, spoil, strict=False):
        damage(path, path.read_bytes())
        yield Planted(cause, _coco_key(path), words)


def _memes(raw: Path) -> Iterator[Planted]:
    """Spoil PNG files, and cut the list itself by a whole line, which no parser sees."""
    cut, wide, strip = _meme_pictures(raw)[:3]
    cut.write_bytes(cut.read_bytes()[:-60])
    yield Planted("picture-truncated", _meme_key(cut), "png")
    data = bytearray(wide.read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    wide.write_bytes(data)
    yield Planted("picture-too-large", _meme_key(wide), "60000 x 60000")
    strip.write_bytes(_saved(Image.new("RGB", (8, 8)), "TIFF"))
    yield Planted("not-a-picture", _meme_key(strip), "TIFF")
    listing = raw / "hateful_memes" / "dev_seen.jsonl"
    lines = listing.read_text("utf-8").splitlines(keepends=True)
    listing.write_text("".join([*lines[:-2], lines[0]]), "utf-8")
    yield Planted("slice", "", f"{len(lines) - 2} of about 500")
    yield Planted("duplicate-id", "hateful_memes/dev_seen.jsonl", "is taken")


def _clips(raw: Path) -> Iterator[Planted]:
    """Cut one clip so that it still plays, and one so that it does not."""
    release = raw / "msvd_qa"
    wanted = {row["video_id"] for row in _load(release / "test_qa.json")}
    mapping = (line.split() for line in (release / "youtube_mapping.txt").open())
    names = [name for name, video in mapping if int(video.removeprefix("vid")) in wanted]
    clips = [release / "YouTubeClips" / f"{name}.avi" for name in sorted(names)]
    short, broken, page = [path for path in clips if path.exists()][:3]
    short.write_bytes(short.read_bytes()[:-40])
    yield Planted("clip-truncated", f"msvd/{short.stem}", "the header announces")
    broken.write_bytes(broken.read_bytes()[:300])
    yield Planted("clip-unreadable", f"msvd/{broken.stem}", "the header announces")
    page.write_text("<html>This video is private</html>")
    yield Planted("clip-unreadable", f"msvd/{page.stem}", "HTML")


def _files(raw: Path) -> Iterator[Planted]:
    """Take a file away, cut one, put a page in place of one, join one with a part of itself."""
    (raw / "aokvqa" / "aokvqa_v1p0_train.json").unlink()
    yield Planted("file-missing", "aokvqa_v1p0_train.json", "expected in")
    questions = raw / "aokvqa" / "aokvqa_v1p0_val.json"
    data = questions.read_bytes()
    questions.write_bytes(data[: len(data) * 7 // 10])
    yield Planted("cut-off", "aokvqa/aokvqa_v1p0_val.json", "closing bracket")
    (raw / "visdial" / "visdial_1.0_val.json").write_text("<html>Sign in</html>")
    yield Planted("file-unreadable", "visdial/visdial_1.0_val.json", "fetch it again")
    questions = raw / "vqav2" / "v2_OpenEnded_mscoco_val2014_questions.json"
    value = _load(questions)
    value["questions"].append(value["questions"][0])
    questions.write_text(json.dumps(value))
    yield Planted("no-annotation", "vqav2/v2_OpenEnded_mscoco_val2014_questions.json", "")


def _tars(raw: Path) -> Iterator[Planted]:
    """Cut a tar of pictures behind a member: nothing but its end is gone."""
    tar = min((raw / "web_capfilt" / "webdataset").glob("*.tar"))
    members = tar.read_bytes().rstrip(b"\0")
    tar.write_bytes(members + bytes(-len(members) % 512))
    yield Planted("tar-damaged", "web_capfilt/webdataset/", "end is missing")


def _huge(data: bytes) -> bytes:
    """Rewrite the size in a JPEG's frame header."""
    at = next(data.index(mark) for mark in (b"\xff\xc0", b"\xff\xc2") if mark in data)
    return data[: at + 5] + struct.pack(">HH", 65_500, 65_500) + data[at + 9 :]


def _folder_instead(path: Path, _: bytes) -> None:
    path.unlink()
    path.mkdir()


def _link_outside(path: Path, data: bytes) -> None:
    outside = path.parents[3] / "outside.jpg"
    outside.write_bytes(data)
    path.unlink()
    os.symlink(outside, path)


def _saved(picture: Image.Image, kind: str) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind)
    return sink.getvalue()


def _vqa_pictures(raw: Path) -> list[Path]:
    questions = _load(raw / "vqav2" / "v2_OpenEnded_mscoco_train2014_questions.json")["questions"]
    folder = raw / "coco" / "train2014"
    ids = sorted({question["image_id"] for question in questions})
    return [folder / f"COCO_train2014_{number:012d}.jpg" for number in ids]


def _coco_key(path: Path) -> str:
    return f"coco/{path.stem.rpartition('_')[2]}"


def _meme_pictures(raw: Path) -> list[Path]:
    lines = (raw / "hateful_memes" / "dev_seen.jsonl").read_text("utf-8").splitlines()
    return [raw / "hateful_memes" / json.loads(line)["img"] for line in lines][:-2]


def _meme_key(path: Path) -> str:
    return f"hateful_memes/img/{path.name}"


def _load(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
