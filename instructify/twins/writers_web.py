"""The twin of the web captions of BLIP: lists of url and caption, and img2dataset's tars of
pictures.

Quirks on purpose: dead urls (no member in the tar, a gap in its keys), several captions for one
url, urls with queries, commas and brackets, shop and file-name captions on the web side, lower case
without a full stop on the synthetic side. A picture is known by its url alone.
"""

import io
import json
import os
import tarfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from instructify.twins.dice import Dice
from instructify.twins.jsonfiles import JsonList, write_json
from instructify.twins.language import captions, name
from instructify.twins.layout import PICTURE_SIZE, TwinRequest
from instructify.twins.painter import paint
from instructify.twins.truth import Json, TruthWriter, truth
from instructify.twins.world import Scene, scene, sign_scene

# Source and its number of pictures at scale 1; ccs stands for CC3M, CC12M and SBU together.
_SOURCES = (("ccs", 40), ("laion", 20))
_PER_TAR = 1000
_DEAD_RATE = 0.15
_SECOND_CAPTION_RATE = 0.1
_MISSING = "HTTP Error 404: Not Found"


class _Page(NamedTuple):
    url: str
    scene: Scene
    web: tuple[str, ...]
    synthetic: tuple[str, ...]
    synthetic_large: tuple[str, ...]
    dead: bool


class _Fetched(NamedTuple):
    key: str
    page: _Page
    jpeg: bytes


def write_web_capfilt(request: TwinRequest) -> None:
    """Write the six caption lists and, with pictures, img2dataset's tars."""
    for source, base in _SOURCES:
        _write_pairs(request, source, request.num(base))
    if request.pictures:
        _write_pictures(request)


def _page(request: TwinRequest, source: str, index: int) -> _Page:
    dice = request.dice("page", source, index)
    draw = sign_scene if dice.chance(0.25) else scene
    shown = draw(request.seed, f"web-{source}", index, held_out=False)
    texts = [_synthetic(text) for text in captions(shown, 4, dice)]
    second = dice.chance(_SECOND_CAPTION_RATE)
    return _Page(
        url=_url(source, index, dice),
        scene=shown,
        web=(_web_caption(shown, dice),),
        synthetic=tuple(texts[: 1 + second]),
        synthetic_large=tuple(texts[2 : 3 + second]),
        dead=dice.chance(_DEAD_RATE),
    )


def _write_pairs(request: TwinRequest, source: str, num: int) -> None:
    folder = request.folder
    with (
        JsonList(folder / f"{source}_filtered.json") as web,
        JsonList(folder / f"{source}_synthetic_filtered.json") as synthetic,
        JsonList(folder / f"{source}_synthetic_filtered_large.json") as large,
    ):
        for index in range(num):
            page = _page(request, source, index)
            for file, texts in (
                (web, page.web),
                (synthetic, page.synthetic),
                (large, page.synthetic_large),
            ):
                for text in texts:
                    file.row({"url": page.url, "caption": text})


def _url(source: str, index: int, dice: Dice) -> str:
    ending = dice.pick(
        (".jpg", ".jpeg?w=48&q=80", ".png", "/image", ",(2).jpg", "?id=7&src=feed", "%20copy.JPG")
    )
    return f"http{dice.pick(('', 's'))}://{source}.twin.invalid/p/{index:06d}{ending}"


def _synthetic(caption: str) -> str:
    return caption.removesuffix(".").lower()


def _web_caption(shown: Scene, dice: Dice) -> str:
    """Write what stands beside pictures on the web: shop texts, file names, captions."""
    words = dice.shuffled([name(thing) for thing in shown.things])
    words += [sign.text for sign in shown.signs]
    text = ", ".join(words)
    match dice.below(8):
        case 0:
            return f"{text.title()} - SKU {1000 + dice.below(9000)} | free shipping"
        case 1:
            return text.replace(", ", "+").replace(" ", "+")
        case 2:
            return f"``{text}'' by <PERSON>"
        case 3:
            return f"{text.replace(' ', '-').replace(',-', '_')}.jpg"
        case 4:
            return f"{text}\u00a0\u2013 d\u00e9tails et prix"
        case _:
            return captions(shown, 1, dice)[0]


def _write_pictures(request: TwinRequest) -> None:
    folder = request.folder / "webdataset"
    folder.mkdir(parents=True, exist_ok=True)
    shard = 0
    with TruthWriter(request.out, request.release) as facts:
        for source, base in _SOURCES:
            num = request.num(base)
            for start in range(0, num, _PER_TAR):
                indices = range(start, min(num, start + _PER_TAR))
                pages = [_page(request, source, index) for index in indices]
                for page in pages:
                    if not page.dead:
                        digest = sha256(page.url.encode()).hexdigest()[:20]
                        facts.add(f"web_capfilt/{digest}", truth(page.scene))
                _write_shard(folder, shard, pages, request.dice("tar", shard))
                shard += 1


def _write_shard(folder: Path, shard: int, pages: Sequence[_Page], dice: Dice) -> None:
    """Write a tar with its table and its statistics; members come in the order of their arrival."""
    keys = [f"{shard * 10_000 + at:09d}" for at in range(len(pages))]
    fetched = [
        _Fetched(key, page, _jpeg(page.scene))
        for key, page in zip(keys, pages, strict=True)
        if not page.dead
    ]
    tar = folder / f"{shard:05d}.tar"
    part = tar.with_name(f"part-{tar.name}")
    with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as out:
        for key, page, jpeg in dice.shuffled(fetched):
            _add(out, f"{key}.jpg", jpeg)
            _add(out, f"{key}.json", json.dumps(_facts(key, page), indent=4).encode())
            _add(out, f"{key}.txt", page.synthetic[0].encode())
    os.replace(part, tar)
    rows = [_facts(key, page) for key, page in zip(keys, pages, strict=True)]
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{shard:05d}.parquet")
    dead = len(pages) - len(fetched)
    write_json(
        folder / f"{shard:05d}_stats.json",
        {
            "count": len(pages),
            "successes": len(fetched),
            "failed_to_download": dead,
            "failed_to_resize": 0,
            "status_dict": {"success": len(fetched), _MISSING: dead},
        },
    )


def _facts(key: str, page: _Page) -> dict[str, Json]:
    size = None if page.dead else PICTURE_SIZE
    return {
        "caption": page.synthetic[0],
        "url": page.url,
        "key": key,
        "status": "failed_to_download" if page.dead else "success",
        "error_message": _MISSING if page.dead else None,
        "width": size,
        "height": size,
        "original_width": size,
        "original_height": size,
        "exif": None if page.dead else "{}",
    }


def _jpeg(shown: Scene) -> bytes:
    buffer = io.BytesIO()
    paint(shown, PICTURE_SIZE).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def _add(out: tarfile.TarFile, member: str, data: bytes) -> None:
    """Append a file without owner and time, so that the tar depends on its contents alone."""
    info = tarfile.TarInfo(member)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))
