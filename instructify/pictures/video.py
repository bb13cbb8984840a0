"""Frames of a clip, at places that depend on the decoded frames alone, since headers lie.

Of N decoded frames and n asked for, frame k is number floor((k + 1/2) N / n); a clip with fewer
than n gives them all and repeats its last. AVI, MP4, WebM and their kin only, told by their first
bytes and read from memory, so that no playlist makes the decoder open other files.
"""

import io
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    import av

MAX_PIXELS = 64_000_000  # of a frame


class ClipUnreadable(Exception):
    """No frame can be decoded; carries the reason."""


class ClipFrames(NamedTuple):
    images: list[Image.Image]
    num_decoded: int
    num_repeated: int  # of `images`, how many repeat the last frame of a clip that is too short


class ClipFormat(NamedTuple):
    """A container: what we call it, and the demuxer that reads it."""

    kind: str
    demuxer: str


class ClipSize(NamedTuple):
    width: int
    height: int


def clip_format(data: bytes) -> ClipFormat | None:
    """Tell the container by its first bytes; None if it is none that we read."""
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return ClipFormat("avi", "avi")
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ClipFormat("mp4", "mov")
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return ClipFormat("webm" if b"webm" in data[:64] else "mkv", "matroska")
    if data[:3] == b"FLV":
        return ClipFormat("flv", "flv")
    return None


def frame_indices(num_decoded: int, num_frames: int) -> list[int]:
    """Choose `num_frames` places among `num_decoded` frames."""
    if num_decoded < num_frames:
        return [min(k, num_decoded - 1) for k in range(num_frames)]
    return [(2 * k + 1) * num_decoded // (2 * num_frames) for k in range(num_frames)]


def frames(data: bytes, num_frames: int) -> ClipFrames:
    """Decode the chosen frames to RGB; raises ClipUnreadable."""
    guess = _announced_frames(data)
    kept, num_decoded = _decode_at(data, frame_indices(max(guess, 1), num_frames))
    if num_decoded == 0:
        raise ClipUnreadable("no frame can be decoded")
    indices = frame_indices(num_decoded, num_frames)
    if not kept.keys() >= set(indices):
        kept, _ = _decode_at(data, indices)
    images = [kept[index] for index in indices]
    return ClipFrames(images, num_decoded, max(0, num_frames - num_decoded))


def first_frame_size(data: bytes, *, max_pixels: int = MAX_PIXELS) -> ClipSize:
    """Decode one frame and return its size in pixels; raises ClipUnreadable."""
    with closing(_decoded(data, max_pixels)) as decoded:
        for frame in decoded:
            return ClipSize(frame.width, frame.height)
    raise ClipUnreadable("no frame can be decoded")


def _decode_at(data: bytes, indices: Sequence[int]) -> tuple[dict[int, Image.Image], int]:
    """Decode the whole clip; return the frames at these places and the number of all."""
    wanted = set(indices)
    kept: dict[int, Image.Image] = {}
    count = 0
    with closing(_decoded(data, MAX_PIXELS)) as decoded:
        for frame in decoded:
            if count in wanted:
                kept[count] = frame.to_image()
            count += 1
    return kept, count


def _decoded(data: bytes, max_pixels: int) -> "Generator[av.VideoFrame]":
    """Yield the frames of the first video stream; damaged packets are passed over."""
    import av.error  # a tenth of a second, and few builds have clips

    with _open(data) as container:
        if not container.streams.video:
            raise ClipUnreadable("there is no video stream")
        stream = container.streams.video[0]
        if stream.codec_context.width * stream.codec_context.height > max_pixels:
            raise ClipUnreadable(f"its frames have more than {max_pixels:,} pixels")
        # Should they grow later: the decoder counts padded frames, hence the room.
        stream.codec_context.options = {"max_pixels": str(4 * MAX_PIXELS)}
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue


def _announced_frames(data: bytes) -> int:
    """Return the number of frames that the header claims; 0 if it claims none."""
    with _open(data) as container:
        return container.streams.video[0].frames if container.streams.video else 0


def _open(data: bytes) -> "av.container.InputContainer":
    import av

    found = clip_format(data)
    if found is None:
        raise ClipUnreadable("not a clip that we read: AVI, MP4, WebM, MKV or FLV")
    try:
        return av.open(io.BytesIO(data), format=found.demuxer)
    except av.error.FFmpegError as error:
        raise ClipUnreadable(f"the container can't be opened: {error.strerror}") from error
