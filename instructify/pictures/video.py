"""Frames of a clip, at places that depend on the decoded frames alone, since headers may be wrong.

Of N decoded frames and n requested ones, frame k is number floor((k + 1/2) N / n). A clip with
fewer than n frames gives all of them and repeats the last. Only AVI, MP4, WebM, MKV and FLV are
read, recognised by their first bytes and read from memory, so that no playlist makes the decoder
open other files.

Decoding is bounded: a frame has at most MAX_PIXELS, and at most MAX_FRAMES frames, MAX_PACKETS
packets or MAX_CLIP_PIXELS pixels of a clip are decoded, whatever its header claims. The frames up
to that limit count as the clip, on every machine alike; no time limit affects the data.
"""

import io
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    import av

MAX_PIXELS = 64_000_000  # of a frame
MAX_FRAMES = 100_000  # of a clip: an hour at 28 frames a second
MAX_CLIP_PIXELS = 1 << 37  # of all its frames: 66,000 of 1,920 x 1,080
MAX_PACKETS = 1_000_000

# What PyAV raises for streams that it can't describe, beside FFmpeg's own errors: text that is no
# UTF-8, codecs that FFmpeg does not know, rates of zero, fields out of any range.
_LIBRARY_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    NotImplementedError,
    EOFError,
    MemoryError,
)


class ClipUnreadable(Exception):
    """No frame can be decoded; the message gives the reason."""


class ClipFrames(NamedTuple):
    images: list[Image.Image]
    num_decoded: int
    num_repeated: int  # of `images`, how many repeat the last frame of a clip that is too short


class ClipFormat(NamedTuple):
    """A container: our name for it, and the demuxer that reads it."""

    kind: str
    demuxer: str


class ClipSize(NamedTuple):
    width: int
    height: int


def clip_format(data: bytes) -> ClipFormat | None:
    """Return the container by its first bytes; None if it is not supported."""
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
    """Decode one frame to RGB and return its size in pixels; raises ClipUnreadable."""
    with closing(_decoded(data, max_pixels)) as decoded:
        for frame in decoded:
            _to_image(frame)
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
                kept[count] = _to_image(frame)
            count += 1
    return kept, count


def _to_image(frame: "av.VideoFrame") -> Image.Image:
    import av.error

    try:
        image: Image.Image = frame.to_image()
    except (av.error.FFmpegError, *_LIBRARY_ERRORS) as error:
        raise ClipUnreadable(f"a frame can't be turned into RGB: {_words(error)}") from error
    return image


def _decoded(data: bytes, max_pixels: int) -> "Generator[av.VideoFrame]":
    """Yield the frames of the clip, up to its bounds; damaged packets are passed over."""
    frames_left, pixels_left = MAX_FRAMES, MAX_CLIP_PIXELS
    with _open(data) as container:
        stream = _video_stream(container)
        _check_size(stream, max_pixels)
        for frame in _frames_of(container, stream):
            size = frame.width * frame.height
            frames_left, pixels_left = frames_left - 1, pixels_left - size
            if frames_left < 0 or pixels_left < 0:
                return
            if size <= max_pixels:
                yield frame


def _frames_of(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> "Generator[av.VideoFrame]":
    """Decode packet by packet; one that can't be decoded costs no more than its frame."""
    import av.error  # the import takes a tenth of a second, and few builds have clips

    errors = (av.error.FFmpegError, *_LIBRARY_ERRORS)
    try:
        packets = container.demux(stream)
    except errors as error:
        raise ClipUnreadable(f"the container can't be read: {_words(error)}") from error
    for _ in range(MAX_PACKETS):
        try:
            packet = next(packets, None)
        except errors:
            return
        if packet is None:
            return
        try:
            decoded = packet.decode()
        except errors:
            continue
        yield from decoded


def _video_stream(container: "av.container.InputContainer") -> "av.VideoStream":
    """Return the first video stream; a cover picture does not count."""
    import av.stream

    streams = container.streams.video
    for stream in streams:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise ClipUnreadable("its only picture is a cover" if streams else "there is no video stream")


def _check_size(stream: "av.VideoStream", max_pixels: int) -> None:
    """Refuse a stream by its header, and let the decoder refuse frames that grow later."""
    context = stream.codec_context
    if context is None:
        raise ClipUnreadable("FFmpeg does not know its codec")
    if context.width * context.height > max_pixels:
        raise ClipUnreadable(f"its frames have more than {max_pixels:,} pixels")
    # The decoder counts padded frames, hence the room.
    context.options = {"max_pixels": str(2 * MAX_PIXELS)}


def _announced_frames(data: bytes) -> int:
    """Return the number of frames that the header claims; 0 if it claims none."""
    with _open(data) as container:
        return int(_video_stream(container).frames)


def _open(data: bytes) -> "av.container.InputContainer":
    import av

    container = clip_format(data)
    if container is None:
        raise ClipUnreadable("not a clip that we read: AVI, MP4, WebM, MKV or FLV")
    try:
        # Titles and comments are not used, so they may be in any encoding.
        return av.open(io.BytesIO(data), format=container.demuxer, metadata_errors="replace")
    except (av.error.FFmpegError, *_LIBRARY_ERRORS) as error:
        raise ClipUnreadable(f"the container can't be opened: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:200] or type(error).__name__
