"""Frames are chosen among what is decoded; broken and foreign files say so."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_cases import saved, scene

from instructify.pictures.probe import PictureFacts, probe_clip
from instructify.pictures.sources import Problem
from instructify.pictures.video import (
    ClipUnreadable,
    clip_format,
    first_frame_size,
    frame_indices,
    frames,
)

SIZE = 32
STEP = 8  # grey levels from one frame to the next, far more than a codec blurs


def clip(num_frames: int, kind: str = "mp4", codec: str = "mpeg4") -> bytes:
    """Encode frames of one grey each, frame k of level 8 k."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(num_frames):
            level = np.full((SIZE, SIZE, 3), STEP * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(level, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return sink.getvalue()


def numbers(data: bytes, num_frames: int) -> list[int]:
    """Decode frames and tell by their grey which of the clip they are."""
    return [round(np.asarray(image).mean() / STEP) for image in frames(data, num_frames).images]


KINDS = [
    ("mp4", "mpeg4"),
    ("avi", "mpeg4"),
    ("avi", "mjpeg"),
    ("webm", "libvpx"),
    ("matroska", "mpeg4"),
]


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_frames_of_each_container(kind: str, codec: str) -> None:
    data = clip(20, kind, codec)
    assert numbers(data, 4) == [2, 7, 12, 17]
    assert numbers(data, 1) == [10]
    assert numbers(data, 20) == list(range(20))
    facts = probe_clip(data)
    assert isinstance(facts, PictureFacts)
    assert (facts.width, facts.height) == (SIZE, SIZE)
    assert facts.kind == {"matroska": "mkv"}.get(kind, kind)
    assert facts.phash is None


def test_a_short_clip_repeats_its_last_frame() -> None:
    found = frames(clip(3), 8)
    assert found.num_decoded == 3
    assert found.num_repeated == 5
    assert numbers(clip(3), 8) == [0, 1, 2, 2, 2, 2, 2, 2]
    assert numbers(clip(1), 4) == [0, 0, 0, 0]


@given(st.integers(1, 5_000), st.integers(1, 64))
def test_places_are_in_order_and_follow_the_formula(num_decoded: int, num_frames: int) -> None:
    places = frame_indices(num_decoded, num_frames)
    assert len(places) == num_frames
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] < num_decoded
    if num_decoded >= num_frames:
        exact = [Fraction(2 * k + 1, 2) * num_decoded / num_frames for k in range(num_frames)]
        assert places == [int(place) for place in exact]
        assert len(set(places)) == num_frames


def test_a_header_that_lies_changes_nothing() -> None:
    """An AVI cut in the middle still announces all its frames; those that are there count."""
    whole = clip(24, "avi", "mjpeg")
    with av.open(io.BytesIO(whole[: len(whole) // 2]), format="avi") as container:
        assert container.streams.video[0].frames == 24
    found = frames(whole[: len(whole) // 2], 4)
    assert 4 < found.num_decoded < 24
    expected = frame_indices(found.num_decoded, 4)
    assert numbers(whole[: len(whole) // 2], 4) == expected


def test_a_damaged_packet_costs_no_more_than_its_frame() -> None:
    whole = bytearray(clip(24, "avi", "mjpeg"))
    at = whole.index(b"\xff\xd8", len(whole) // 2)
    whole[at : at + 40] = bytes(40)
    found = frames(bytes(whole), 4)
    assert 20 <= found.num_decoded <= 24


BROKEN = {
    "nothing": b"",
    "text": b"Not found",
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a concat script": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "a picture": saved(scene(), "JPEG"),
    "an animation": saved(scene(), "GIF"),
    "mp4 cut": clip(24)[:-200],
    "avi header alone": clip(24, "avi", "mjpeg")[:200],
    "mp4 header alone": b"\x00\x00\x00\x18ftypisom" + bytes(80),
    "noise behind a magic": b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_foreign_files_are_refused(name: str) -> None:
    problem = probe_clip(BROKEN[name])
    assert isinstance(problem, Problem)
    assert problem.reason == ("picture-empty" if name == "nothing" else "clip-unreadable")
    with pytest.raises(ClipUnreadable):
        frames(BROKEN[name], 4)


def test_frames_past_the_cap_are_refused_before_they_are_decoded() -> None:
    assert first_frame_size(clip(2), max_pixels=SIZE * SIZE) == (SIZE, SIZE)
    with pytest.raises(ClipUnreadable, match="more than 1,023 pixels"):
        first_frame_size(clip(2), max_pixels=SIZE * SIZE - 1)


def test_a_clip_without_pictures_is_refused() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4_096), np.float32), "fltp", "mono")
        frame.rate = 44_100
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(ClipUnreadable, match="no video stream"):
        frames(sink.getvalue(), 4)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    assert clip_format(data) is None or clip_format(data) is not None
    assert isinstance(probe_clip(data), Problem)
