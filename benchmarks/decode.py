"""From JPEG bytes to pixels of 224 x 224: pictures a CPU second, ours and others', in turn.

Run: python benchmarks/decode.py [--rounds N] [--pictures N]. Pictures are 640 x 480 with a grain
that makes them about 150 kB, as COCO's are, made here. simplejpeg and torchvision are timed where
they are installed (neither is needed by us); each way's pixels are compared with ours first. One
thread, CPU time: other programs on the machine take wall time, hardly this.
"""

import argparse
import importlib.util
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructify_train.config import DataConfig
from instructify_train.data.pixels import decode, resize

SIZE = 224
Way = Callable[[bytes], NDArray[np.uint8]]


def photograph(seed: int, width: int = 640, height: int = 480) -> bytes:
    """Make a JPEG of soft colours with grain on them."""
    dice = np.random.default_rng(seed)
    colours = dice.integers(0, 256, (15, 20, 3), dtype=np.uint8)
    soft = np.asarray(
        Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC), np.float64
    )
    grain = dice.normal(0, 14, (height, width, 1)) + dice.normal(0, 3, (height, width, 3))
    target = io.BytesIO()
    marred = Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))
    marred.save(target, "JPEG", quality=90)
    return target.getvalue()


def ours(content: bytes) -> NDArray[np.uint8]:
    """Decode and resize as training does."""
    return np.asarray(resize(decode(content, DataConfig(), SIZE, is_clip=False), SIZE)[0])


def drafted(content: bytes) -> NDArray[np.uint8]:
    """The same with `data.draft`, which changes pixels of pictures of more than 2 x 224 a side."""
    images = decode(content, DataConfig(draft=True), SIZE, is_clip=False)
    return np.asarray(resize(images, SIZE)[0])


def processor_way() -> Way:
    """PIL, then the image processor of transformers, which also scales to floats."""
    from transformers import BlipImageProcessorPil

    processor = BlipImageProcessorPil(
        size={"height": SIZE, "width": SIZE}, do_normalize=False, do_rescale=False
    )

    def way(content: bytes) -> NDArray[np.uint8]:
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        pixels = processor(picture, return_tensors="np")["pixel_values"][0]
        return np.asarray(pixels, np.uint8).transpose(1, 2, 0)

    return way


def simplejpeg_way() -> Way:
    """libjpeg-turbo by itself, then PIL's bicubic."""
    import simplejpeg  # type: ignore[import-not-found, unused-ignore]

    def way(content: bytes) -> NDArray[np.uint8]:
        pixels = simplejpeg.decode_jpeg(content, "RGB")
        picture = Image.frombuffer("RGB", pixels.shape[1::-1], pixels, "raw", "RGB", 0, 1)
        return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC))

    return way


def torchvision_way() -> Way:
    """torchvision's decoder and its antialiased bicubic."""
    import torch
    from torchvision.io import (  # type: ignore[import-not-found, unused-ignore]
        ImageReadMode,
        decode_jpeg,
    )
    from torchvision.transforms.v2.functional import (  # type: ignore[import-not-found, unused-ignore]
        InterpolationMode,
    )
    from torchvision.transforms.v2.functional import (
        resize as resized,
    )

    def way(content: bytes) -> NDArray[np.uint8]:
        raw: Any = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        pixels = decode_jpeg(raw, ImageReadMode.RGB)
        found: NDArray[np.uint8] = (
            resized(pixels, [SIZE, SIZE], InterpolationMode.BICUBIC).permute(1, 2, 0).numpy()
        )
        return found

    return way


def ways() -> dict[str, Way]:
    """List the ways that can be taken here."""
    found: dict[str, Way] = {"instructify": ours, "instructify, data.draft": drafted}
    found["PIL + transformers' processor"] = processor_way()
    for name, make in (("simplejpeg", simplejpeg_way), ("torchvision", torchvision_way)):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed and is left out", flush=True)
            continue
        try:
            found[name] = make()
        except (ImportError, RuntimeError) as error:
            print(f"{name} does not import here ({error}) and is left out", flush=True)
    return found


def main() -> None:
    """Compare pixels, then time all ways round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=24)
    given = parser.parse_args()
    contents = [photograph(seed) for seed in range(given.pictures)]
    print(f"{len(contents)} pictures of {statistics.mean(map(len, contents)) / 1e3:.0f} kB")
    taken = ways()
    apart = {
        name: max(int(np.abs(way(one).astype(int) - ours(one)).max()) for one in contents)
        for name, way in taken.items()
    }
    times: dict[str, list[float]] = {name: [] for name in taken}
    for _ in range(given.rounds):
        for name, way in taken.items():
            start = time.process_time()
            for one in contents:
                way(one)
            times[name].append((time.process_time() - start) / len(contents))
    base = statistics.median(times["instructify"])
    for name, each in times.items():
        middle = statistics.median(each)
        print(
            f"{name:32}{1 / middle:6.0f} a CPU second ({1 / max(each):.0f}-{1 / min(each):.0f}), "
            f"{base / middle:.2f}x, differs from ours by at most {apart[name]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
