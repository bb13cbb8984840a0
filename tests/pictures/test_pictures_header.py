"""A look at the two ends of a file says what decoding says, as far as it can say anything."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_cases import CASES, Case, saved, scene
from PIL import Image

from instructify.pictures.header import Header, clip_header, picture_header
from instructify.pictures.probe import PictureFacts, probe_clip, probe_picture
from instructify.pictures.sources import OpenPart, Problem
from instructify.twins.make import make_twin

HEADER_TELLS = ("picture-empty", "not-a-picture", "picture-too-large")


class Memory:
    """Bytes as an open file; `reads` counts the calls."""

    def __init__(self, data: bytes) -> None:
        self.descriptor = os.memfd_create("picture")
        os.write(self.descriptor, data)
        self.part = OpenPart(self.descriptor, 0, len(data))

    def __enter__(self) -> OpenPart:
        return self.part

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def read_picture(data: bytes) -> Header | Problem:
    with Memory(data) as part:
        return picture_header(part)


def read_clip(data: bytes) -> Header | Problem:
    with Memory(data) as part:
        return clip_header(part)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_agrees_with_decoding(case: Case) -> None:
    seen, facts = read_picture(case.make()), probe_picture(case.make())
    if isinstance(facts, PictureFacts):
        assert seen == Header(facts.kind)
    elif facts.reason in HEADER_TELLS:
        assert isinstance(seen, Problem)
        assert seen.reason == facts.reason
    else:
        assert isinstance(seen, Header)
        assert (seen.cut is not None) == (facts.reason == "picture-truncated")


WHOLE = {kind: saved(scene(192, 128), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP")}


@pytest.mark.parametrize("kind", WHOLE)
@settings(deadline=None, max_examples=50)
@given(share=st.floats(0.02, 0.97))
def test_a_cut_picture_seems_cut(kind: str, share: float) -> None:
    data = WHOLE[kind]
    seen = read_picture(data[: int(len(data) * share)])
    assert isinstance(seen, Header)
    assert seen.cut is not None


def test_a_gif_cut_behind_a_semicolon_seems_cut() -> None:
    """The byte that ends a GIF is a semicolon, and one byte in 256 of its data is, too."""
    data = WHOLE["GIF"]
    places = [at + 1 for at in range(data.index(b","), len(data) - 1) if data[at] == ord(";")]
    assert len(places) > 20
    assert [at for at in places if read_picture(data[:at]) == Header("gif")] == []
    assert read_picture(data) == Header("gif")


@pytest.mark.parametrize("metadata", [0, 700, 1_013, 1_014, 1_022, 5_000, 60_000])
def test_a_bomb_behind_metadata_of_any_length_is_seen(metadata: int) -> None:
    """The frame header of a JPEG may lie anywhere; its size is read out of it."""
    data = saved(scene(), "JPEG", comment=b"x" * metadata)
    at = data.rindex(b"\xff\xc0")
    assert read_picture(data) == Header("jpeg")
    huge = data[: at + 5] + b"\xff\xdc\xff\xdc" + data[at + 9 :]
    seen = read_picture(huge)
    assert isinstance(seen, Problem)
    assert seen.detail.startswith("65500 x 65500")


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": b"Exif\0\0x" * 9}, {}])
def test_sizes_of_webp(options: dict[str, object]) -> None:
    data = saved(scene(123, 77), "WEBP", **options)
    with Memory(data) as part:
        assert picture_header(part, max_pixels=123 * 77) == Header("webp")
        small = picture_header(part, max_pixels=123 * 77 - 1)
    assert isinstance(small, Problem)
    assert small.detail.startswith("123 x 77 ")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_sizes_in_headers(kind: str) -> None:
    with Memory(saved(Image.new("RGB", (123, 77)), kind)) as part:
        small = picture_header(part, max_pixels=123 * 77 - 1)
    assert isinstance(small, Problem)
    assert small.detail.startswith("123 x 77 ")


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=3_000))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    for head in (b"", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"\x89PNG\r\n\x1a\n", b"BM"):
        assert isinstance(read_picture(head + data), Header | Problem)
    for head in (b"RIFF\0\0\0\0AVI ", b"\0\0\0\x14ftyp", b"\x1a\x45\xdf\xa3", b"FLV"):
        assert isinstance(read_clip(head + data), Header | Problem)


@pytest.fixture(scope="module", name="clips")
def _clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One whole clip of each container that twins have."""
    raw = tmp_path_factory.mktemp("clips") / "raw"
    make_twin(("msvd_qa", "msrvtt_qa", "ivqa"), raw, scale=0.05)
    files: dict[str, Path] = {}
    for path in sorted(raw.rglob("*")):
        if path.suffix in (".avi", ".mp4", ".webm"):
            files.setdefault(path.suffix, path)
    return list(files.values())


def pieces(data: bytes) -> Iterator[bytes]:
    for share in (0.3, 0.6, 0.9):
        yield data[: int(len(data) * share)]
    yield data[:-1]


def test_clips(clips: list[Path]) -> None:
    assert len(clips) >= 2
    for path in clips:
        data = path.read_bytes()
        facts = probe_clip(data)
        assert isinstance(facts, PictureFacts)
        assert read_clip(data) == Header(facts.kind), path
        for piece in pieces(data):
            seen = read_clip(piece)
            assert isinstance(seen, Header)
            assert seen.cut is not None, f"{path.name}: {len(piece)} of {len(data)} bytes"


def test_a_clip_without_its_index() -> None:
    box = (16).to_bytes(4, "big") + b"ftypisom" + bytes(4)
    seen = read_clip(box + (24).to_bytes(4, "big") + b"mdat" + bytes(16))
    assert seen == Header("mp4", "it has no index (moov)")


def test_clips_that_do_not_say_their_length() -> None:
    """Writers who never came back to the header leave nothing to compare with."""
    assert read_clip(b"RIFF\xff\xff\xff\xffAVI " + bytes(90)) == Header("avi")
    unknown = b"\x1a\x45\xdf\xa3\x84webm" + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + bytes(40)
    assert read_clip(unknown) == Header("webm")


def test_a_picture_inside_another_file() -> None:
    data = saved(scene(), "PNG")
    with Memory(b"x" * 77 + data + io.BytesIO(b"<html>" * 300).read()) as part:
        inside = OpenPart(part.descriptor, 77, len(data))
        assert picture_header(inside) == Header("png")
