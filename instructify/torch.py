"""The samples of builds as a map-style dataset for PyTorch's `DataLoader`, pictures decoded.

    from torch.utils.data import DataLoader
    from instructify.torch import Samples, collate

    samples = Samples("build", ["vqav2"], transform=prepare)
    loader = DataLoader(samples, batch_size=8, shuffle=True, num_workers=4, collate_fn=collate)

`Samples` needs neither torch nor a GPU; `collate` imports torch when it is called.
"""

import bisect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify.build import Build, ShardedTable
from instructify.pictures import PictureStore

Sample = dict[str, Any]
Draws = Literal["all", "first"]
AnyBuild = Build | Path | str


class _Part(NamedTuple):
    """The samples of a split: the number of its build, and which rows are taken (None: all)."""

    build: int
    dataset: str
    split: str
    rows: NDArray[np.int64] | None
    size: int


class _Opened(NamedTuple):
    """What a process has opened; it is opened anew in each worker."""

    tables: dict[int, ShardedTable]
    stores: dict[int, PictureStore | None]


class Samples(Sequence[Any]):
    """Samples of one or several builds, by number; picklable, so that any worker can have it.

    An item is a dict: the columns of a sample (`instruction`, `response`, `references`,
    `candidates`, `sample_id`, `dataset`, ...), `build` (the number of its build) and `images`, the
    decoded RGB pictures of its keys `pictures` in their order; a clip gives `frames` of them.
    `transform` takes that dict and returns what the item becomes.

    Args:
        builds: A build, opened or by its folder, or several.
        datasets: Names of datasets; None takes all that have the split.
        split: Which split of each dataset.
        draws: "all" renderings of a record, or the "first" alone.
        images: Whether pictures are read; without them `images` is an empty list.
        frames: How many frames of a clip are decoded.
        exif: "apply" turns pictures as their EXIF says, "ignore" does not.
        transform: Called with each item in the worker that reads it; must be picklable for workers
            that are spawned, so a function of a module, not a lambda.

    Raises:
        UserError: A folder is no build, or a named dataset or split is not in it.
    """

    def __init__(
        self,
        builds: AnyBuild | Sequence[AnyBuild],
        datasets: Sequence[str] | None = None,
        *,
        split: str = "train",
        draws: Draws = "all",
        images: bool = True,
        frames: int = 4,
        exif: Literal["ignore", "apply"] = "ignore",
        transform: Callable[[Sample], Any] | None = None,
    ) -> None:
        several = [builds] if isinstance(builds, Build | Path | str) else list(builds)
        self._builds = [
            build if isinstance(build, Build) else Build.open(build) for build in several
        ]
        self._images = images
        self._frames = frames
        self._exif: Literal["ignore", "apply"] = exif
        self._transform = transform
        self._opened: _Opened | None = None
        self._parts = _parts(self._builds, datasets, split, draws)
        self._ends = np.cumsum([part.size for part in self._parts]).tolist()

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends else 0

    def __repr__(self) -> str:
        names = dict.fromkeys(f"{part.dataset}/{part.split}" for part in self._parts)
        return f"Samples({len(self):,} of {', '.join(names)})"

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        number = operator.index(index)
        at = number + len(self) if number < 0 else number
        if not 0 <= at < len(self):
            raise IndexError(f"sample {number} of {len(self):,}")
        which = bisect.bisect_right(self._ends, at)
        part = self._parts[which]
        inside = at - (self._ends[which] - part.size)
        row = inside if part.rows is None else int(part.rows[inside])
        sample: Sample = {**self._table(which)[row], "build": part.build}
        sample["images"] = self._decoded(part.build, sample["pictures"]) if self._images else []
        return sample if self._transform is None else self._transform(sample)

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _open(self) -> _Opened:
        if self._opened is None:
            self._opened = _Opened({}, {})
        return self._opened

    def _table(self, which: int) -> ShardedTable:
        tables = self._open().tables
        if which not in tables:
            part = self._parts[which]
            tables[which] = self._builds[part.build].samples(part.dataset, part.split)
        return tables[which]

    def _decoded(self, build: int, keys: Sequence[str]) -> list[Any]:
        stores = self._open().stores
        if build not in stores:
            stores[build] = self._builds[build].pictures()
        store = stores[build]
        if store is None:
            raise UserError(
                f"{self._builds[build].paths.root} was made without pictures; give images=False, "
                "or convert with pictures"
            )
        return [image for key in keys for image in self._images_of(store, key)]

    def _images_of(self, store: PictureStore, key: str) -> list[Any]:
        if store.facts(key).media == "video":
            return list(store.frames(key, self._frames).images)
        return [store.image(key, exif=self._exif)]


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of items: a dict of columns.

    Tensors and arrays of one shape are stacked, numbers become a tensor; everything else, such as
    texts, pictures, and tensors of unlike shapes, stays a list in the order of the items.

    Raises:
        UserError: torch is not installed, or the items have other keys than the first.
    """
    try:
        import torch
    except ImportError as error:
        raise UserError("collate needs torch: `pip install 'instructify[train]'`") from error
    if not items:
        raise UserError("a batch of no items can't be made; give at least one")
    keys = items[0].keys()
    if any(item.keys() != keys for item in items):
        raise UserError("the items of a batch have different keys; let `transform` return the same")

    def column(values: list[Any]) -> Any:
        if all(isinstance(value, np.ndarray) for value in values):
            values = [torch.from_numpy(np.ascontiguousarray(value)) for value in values]
        if all(isinstance(value, torch.Tensor) for value in values):
            alike = len({(value.shape, value.dtype) for value in values}) == 1
            return torch.stack(values) if alike else values
        if all(isinstance(value, bool | int | float | np.number) for value in values):
            return torch.tensor(values)
        return values

    return {key: column([item[key] for item in items]) for key in keys}


def _parts(
    builds: Sequence[Build], datasets: Sequence[str] | None, split: str, draws: Draws
) -> list[_Part]:
    if not builds:
        raise UserError("name at least one build")
    for name in datasets or ():
        if not any(name in build.manifest.datasets for build in builds):
            builds[0].dataset(name)  # says what is there
    parts = []
    for number, build in enumerate(builds):
        for name, entry in build.manifest.datasets.items():
            if datasets is not None and name not in datasets:
                continue
            if split not in entry.splits and datasets is None:
                continue
            parts.append(_part(number, build, name, split, draws))
    if not parts:
        raise UserError(
            f"no dataset of {', '.join(str(build.paths.root) for build in builds)} has a split "
            f"'{split}'"
        )
    return parts


def _part(number: int, build: Build, name: str, split: str, draws: Draws) -> _Part:
    count = build.split(name, split).samples
    if draws == "all":
        return _Part(number, name, split, None, count)
    drawn = build.samples(name, split).select(["draw"])["draw"].to_numpy()
    rows = np.flatnonzero(drawn == 0)
    return _Part(number, name, split, rows, len(rows))
