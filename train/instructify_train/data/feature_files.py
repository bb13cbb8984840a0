"""A cache on disk, of bounded size, for the picture features of a frozen vision tower.

A file for each frame, named by the content of the picture, in a folder named by what the features
depend on: the tower's weights, the size of pictures, how they are decoded. Files are written beside
and renamed, so that a killed run leaves no partial file; a damaged file is computed again.
"""

import contextlib
import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from instructify._util.errors import UserError

FEATURE_FORMAT = 1
_HEAD_BYTES = 32
_MOST_WAITING = 64  # features that wait for the disk, of 0.7 MB each at the published size


class FeatureFiles:
    """A folder of features of one shape; safe for many readers and writers at once.

    The `writers`, processes of one run, divide the room that is left when the run starts.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        shape: tuple[int, int],
        dtype: torch.dtype,
        limit_bytes: int,
        *,
        writers: int = 1,
    ) -> None:
        self._folder = folder / f"features-{FEATURE_FORMAT}-{key}"
        self._shape = shape
        self._dtype = dtype
        self._used_bytes = _folder_bytes(self._folder)
        room = max(0, limit_bytes - self._used_bytes)
        self._limit_bytes = self._used_bytes + room // writers
        self._writer: ThreadPoolExecutor | None = (
            None  # created on first use, since loaders are forked before
        )
        self._waiting: deque[Future[None]] = deque()

    def read(self, name: str) -> torch.Tensor | None:
        """Return stored features, [patches, width]; None if there is no intact file."""
        path = self.path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        body = data[_HEAD_BYTES:]
        if hashlib.sha256(body).digest() != data[:_HEAD_BYTES]:
            return None
        flat = torch.from_numpy(np.frombuffer(body, np.uint8).copy()).view(self._dtype)
        return flat.view(self._shape) if flat.numel() == self._shape[0] * self._shape[1] else None

    def write(self, name: str, features: torch.Tensor) -> None:
        """Keep features while there is room; UserError where they can't be written."""
        raw = features.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        path = self.path(name)
        # One that was asked for again before it was written, or that is damaged, is replaced.
        more = len(raw) + _HEAD_BYTES - _size_of(path)
        if self._used_bytes + more > self._limit_bytes:
            return
        staged = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(hashlib.sha256(raw).digest() + raw)
            staged.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                staged.unlink()
            raise UserError(
                f"'data.feature_cache' can't write {path} ({error.strerror or error}); make room "
                "there, or lower its 'gigabytes'"
            ) from error
        self._used_bytes += more

    def keep(self, name: str, features: torch.Tensor) -> None:
        """Write features beside the work of the caller; raises what an earlier one met.

        At most some are waiting: where the disk is slower than the tower, the tower waits.
        """
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= _MOST_WAITING):
            self._waiting.popleft().result()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "features")
        self._waiting.append(self._writer.submit(self.write, name, features))

    def finish(self) -> None:
        """Wait until all is written; raises what one of them met."""
        while self._waiting:
            self._waiting.popleft().result()

    def path(self, name: str) -> Path:
        """Return the path of the features of a frame, whether the file exists or not."""
        return self._folder / name[:2] / f"{name}.bin"


def tower_key(tower: nn.Module, *facts: object) -> str:
    """Name what features depend on: the tower's weights but for the last norm, and `facts`."""
    digest = hashlib.sha256(repr(facts).encode())
    for name, tensor in sorted(tower.state_dict().items()):
        if not name.startswith("post_layernorm."):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.bin")) if folder.is_dir() else 0
