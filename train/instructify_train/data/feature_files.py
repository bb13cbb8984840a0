"""A cache on disk, of limited size, for the picture features of a frozen vision tower.

Each frame has a file, named by a hash of the picture. The folder is named by a hash of everything
else that the features depend on: the tower's weights, the size of pictures and how they are
decoded. Files are written under a temporary name and renamed, so a killed run leaves no partial
file. Features whose file is damaged are computed again.
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
    """A folder of features of one shape; several processes may read and write at once.

    The `writers` processes of a run share the space that is left when the run starts.
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
        """Write features while there is space; raises UserError if they can't be written."""
        raw = features.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
        path = self.path(name)
        # Replaces a file that is damaged, or that another request wrote in the meantime.
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
        """Write features in a background thread; raises the error of an earlier write.

        The number of waiting writes is limited: if the disk is slower than the tower, this blocks.
        """
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= _MOST_WAITING):
            self._waiting.popleft().result()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "features")
        self._waiting.append(self._writer.submit(self.write, name, features))

    def finish(self) -> None:
        """Wait until all features are written; raises the error of a failed write."""
        while self._waiting:
            self._waiting.popleft().result()

    def path(self, name: str) -> Path:
        """Return the path of the features of a frame, whether the file exists or not."""
        return self._folder / name[:2] / f"{name}.bin"


def tower_key(tower: nn.Module, *facts: object) -> str:
    """Hash what features depend on: the tower's weights except the last norm, and `facts`."""
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
