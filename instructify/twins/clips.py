"""Clips: the frames of an event as a small video file (.avi, .mp4, .webm).

The pixels handed to the encoder are deterministic; encoded bytes are not promised across machines.
"""

from pathlib import Path

from instructify.twins.events import Event, frames
from instructify.twins.painter import pixels

CODECS = {
    ".avi": ("mjpeg", "yuvj420p"),
    ".mp4": ("mpeg4", "yuv420p"),
    ".webm": ("libvpx", "yuv420p"),
}


def write_clip(
    shown: Event, path: Path, num_frames: int = 16, size: int = 48, rate: int = 8
) -> None:
    """Write the event in the container that the path's suffix names."""
    import av  # only clips need it

    codec, pixel_format = CODECS[path.suffix]
    # Bit-exact: no random ids and no version strings in the file. `good` with a fixed speed, unlike
    # `realtime`, does not look at the clock, and one thread suits pictures of this size.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        options = {"deadline": "good", "cpu-used": "5"} if codec == "libvpx" else {}
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.codec_context.thread_count = 1
        stream.width = stream.height = size
        stream.pix_fmt = pixel_format
        for scene in frames(shown, num_frames):
            frame = av.VideoFrame.from_ndarray(pixels(scene, size), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
