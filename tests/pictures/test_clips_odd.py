"""A clip that a library can't describe is a reject at most, and costs bounded time and memory."""

import io
import os
import random
import struct
import time
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from picture_cases import saved, scene

from instructify.pictures import video
from instructify.pictures.probe import PictureFacts, probe_clip
from instructify.pictures.sources import Problem
from instructify.pictures.video import ClipUnreadable, frames

SIZE = 64
TITLE = "a title to be replaced"
LATIN = b"caf\xe9 \xfcber \xdf\xff\xfe \xc0\x80 !!!!"[: len(TITLE)].ljust(len(TITLE), b"!")


def clip(num_frames: int, kind: str = "avi", codec: str = "mpeg4", *, cover: bool = False) -> bytes:
    """Encode frames of one grey each; with a title, and a cover picture behind them if wanted."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=kind) as container:
        container.metadata["title"] = TITLE
        if num_frames:
            stream = container.add_stream(codec, rate=Fraction(10))
            stream.width = stream.height = SIZE
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        else:
            stream = container.add_stream("aac", rate=44_100)
        picture = _cover(container) if cover else None
        if picture is not None:
            container.mux(picture)
        for number in range(num_frames):
            level = np.full((SIZE, SIZE, 3), 8 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(level, format="rgb24")
            container.mux(stream.encode(frame))
        if not num_frames:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 4_096), np.float32), "fltp", "mono")
            sound.rate = 44_100
            container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return sink.getvalue()


def _cover(container: av.container.OutputContainer) -> av.Packet:
    stream = container.add_stream("mjpeg", rate=1)
    stream.width = stream.height = 96
    stream.pix_fmt = "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    packet = av.Packet(saved(scene(), "JPEG"))
    packet.stream = stream
    packet.pts = packet.dts = 0
    return packet


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("avi", "mpeg4"), ("mp4", "mpeg4"), ("matroska", "mpeg4"), ("webm", "libvpx"), ("flv", "flv")],
)
def test_a_title_in_any_encoding_costs_nothing(kind: str, codec: str) -> None:
    whole = clip(6, kind, codec)
    odd = replaced(whole, TITLE.encode(), LATIN)
    facts, expected = probe_clip(odd), probe_clip(whole)
    assert isinstance(facts, PictureFacts)
    assert isinstance(expected, PictureFacts)
    assert facts._replace(sha256="") == expected._replace(sha256="")
    assert frames(odd, 4).num_decoded == 6
    assert [image.tobytes() for image in frames(odd, 4).images] == [
        image.tobytes() for image in frames(whole, 4).images
    ]


def _at(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(mark) + offset
    return data[:at] + value + data[at + len(value) :]


def _huge_jpegs(data: bytes) -> bytes:
    """Rewrite the size in the frame header of each JPEG."""
    head, *rest = data.split(b"\xff\xc0")
    side = struct.pack(">HH", 65_500, 65_500)
    return b"\xff\xc0".join([head, *(part[:3] + side + part[7:] for part in rest)])


RAW = clip(2, "avi", "rawvideo")
AVI, MP4, MKV = clip(6), clip(6, "mp4"), clip(6, "matroska")
SIDES = struct.pack("<II", 65_535, 65_535)
USELESS: dict[str, bytes] = {
    "AVI: a codec of no name": _at(
        _at(AVI, b"strf", 24, b"Zz9!"), b"vids", 4, b"Zz9!"
    ),
    "AVI: a codec of zeros": _at(_at(AVI, b"strf", 24, bytes(4)), b"vids", 4, bytes(4)),
    "MP4: a codec of no name": replaced(replaced(MP4, b"mp4v", b"Zz9!"), b"esds", b"Zz9?"),
    "MKV: a codec of no name": replaced(MKV, b"V_MPEG4/ISO/ASP", b"V_ZZZZZ/ISO/ASP"),
    "raw pixels, 65,535 x 65,535": _at(RAW, b"strf", 12, SIDES),
    "JPEG frames, 65,500 x 65,500": _huge_jpegs(clip(6, "avi", "mjpeg")),
    "a cover and no more": clip(0, "mp4", cover=True),
    "sound alone": clip(0, "mp4"),
    "sound alone, MKV": clip(0, "matroska"),
    "no index": replaced(MP4, b"moov", b"mooz"),
    "half an index": MP4[: MP4.index(b"stbl") + 20],
    "an index of negative places": _at(MP4, b"stco", 12, b"\xff" * 4),
}  # fmt: skip


@pytest.mark.parametrize("what", USELESS)
def test_a_clip_that_gives_no_frame_is_a_reject(what: str) -> None:
    start = time.monotonic()
    problem = probe_clip(USELESS[what])
    assert isinstance(problem, Problem)
    assert problem.reason == "clip-unreadable"
    assert problem.detail
    with pytest.raises(ClipUnreadable):
        frames(USELESS[what], 4)
    assert time.monotonic() - start < 5


HUGE = b"\xff\xff\xff\x7f"
LYING = {
    "AVI: 65,535 x 65,535": _at(AVI, b"strf", 12, SIDES),
    "MP4: 65,535 x 65,535": _at(MP4, b"mp4v", 28, b"\xff" * 4),
    "AVI: two milliards of frames": _at(_at(AVI, b"avih", 24, HUGE), b"vids", 32, HUGE),
    "AVI: no rate": _at(AVI, b"vids", 20, bytes(8)),
    "AVI: an absurd rate": _at(AVI, b"vids", 20, b"\1\0\0\0" + HUGE),
    "AVI: a negative start": _at(AVI, b"vids", 28, b"\xff" * 4),
}


@pytest.mark.parametrize("what", LYING)
def test_frames_count_and_not_what_a_header_says(what: str) -> None:
    start = time.monotonic()
    assert isinstance(probe_clip(LYING[what]), PictureFacts)
    assert frames(LYING[what], 4).num_decoded == 6
    assert time.monotonic() - start < 5


TIMELESS = {
    "MP4: no time scale": _at(MP4, b"mdhd", 16, bytes(4)),
    "MP4: an absurd duration": _at(MP4, b"mdhd", 20, b"\xff" * 4),
    "MP4: frames that last for ever": _at(MP4, b"stts", 16, b"\x7f" + b"\xff" * 3),
}


@pytest.mark.parametrize("what", TIMELESS)
def test_times_without_sense_leave_a_clip_or_a_reject(what: str) -> None:
    start = time.monotonic()
    if isinstance(probe_clip(TIMELESS[what]), PictureFacts):
        assert 1 <= frames(TIMELESS[what], 4).num_decoded <= 6
    assert time.monotonic() - start < 5


def test_more_samples_than_any_file_holds() -> None:
    data = _at(MP4, b"stsz", 8, struct.pack(">II", 1, 0x7FFFFFF0))
    data = _at(data, b"stsc", 16, struct.pack(">I", 0x7FFFFFF0))
    data = _at(data, b"stts", 12, struct.pack(">I", 0x7FFFFFF0))
    assert isinstance(probe_clip(data), Problem)


def test_a_cover_is_not_taken_for_the_clip() -> None:
    data = clip(6, "mp4", cover=True)
    facts = probe_clip(data)
    assert isinstance(facts, PictureFacts)
    assert (facts.width, facts.height) == (SIZE, SIZE)
    assert frames(data, 4).num_decoded == 6


def test_one_frame_is_a_clip() -> None:
    assert frames(clip(1), 4)[1:] == (1, 3)


BOUNDS: dict[str, Callable[[], int]] = {
    "MAX_FRAMES": lambda: 4,
    "MAX_PACKETS": lambda: 4,
    "MAX_CLIP_PIXELS": lambda: 4 * SIZE * SIZE + 1,
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_no_more_is_decoded_than_the_bounds_allow(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = clip(20, "avi", "mjpeg")
    expected = [image.tobytes() for image in frames(whole, 20).images]
    monkeypatch.setattr(video, bound, BOUNDS[bound]())
    found = frames(whole, 2)
    assert found.num_decoded == 4
    assert [image.tobytes() for image in found.images] == [expected[1], expected[3]]
    assert isinstance(probe_clip(whole), PictureFacts)


@pytest.mark.parametrize(("kind", "whole"), [("avi", AVI), ("mp4", MP4), ("mkv", MKV)])
def test_changed_bytes_give_a_clip_or_a_reject(kind: str, whole: bytes) -> None:
    rng = random.Random(int(os.environ.get("INSTRUCTIFY_SEED", "7")))
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.choice([0, 255, 127, 128, rng.randrange(256)])
        if isinstance(probe_clip(bytes(data)), PictureFacts):
            assert len(frames(bytes(data), 2).images) == 2
