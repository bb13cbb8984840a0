"""The classes of the catalog, as frozen dataclasses: tasks, metrics, families, releases, datasets.

The types of the fields define what the file may contain. The reader of a dataset declares its
options.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from instructify._util.errors import UserError, did_you_mean
from instructify._util.yaml_lines import Node, Scalar
from instructify._util.yaml_marks import (
    FROM_KEY,
    MAY_BE_EMPTY,
    NAME,
    NO_KEY,
    NOT_NULL,
    STRIPPED,
    Between,
    By,
    Check,
    Names,
    OneOf,
    WithNames,
)
from instructify.catalog.candidates import Candidates, read_candidates
from instructify.catalog.splits import Split, read_splits, relative

Media = Literal["image", "video"]
Role = Literal["held-in", "held-out"]


def _holds_name(pattern: str, node: Node, names: Names) -> Iterator[UserError]:
    """Yield the mistakes in the pattern of a picture file."""
    if pattern.count("{name}") != 1:
        yield node.error(f"the pattern '{pattern}' must hold {{name}} once")
    yield from relative(pattern, node, names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A kind of problem, with its title in prefix templates and the forms of its records."""

    name: Annotated[str, FROM_KEY]
    title: str
    forms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    name: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """How a picture key `<family>/<name>` becomes a file.

    `patterns` hold `{name}`; they are tried in order below the folder of the release, then below
    each of `folders` (of the raw root). `tars` are globs of img2dataset tars below the same.
    `keep` says how a build has the pictures if nobody asks for something else.
    `embedded`: pictures may stand in the raw files themselves; their names are 20 hex digits.
    """

    name: Annotated[str, FROM_KEY]
    media: Media = "image"
    patterns: tuple[Annotated[str, Check(_holds_name)], ...]
    folders: tuple[str, ...]
    tars: tuple[str, ...] = ()
    keep: Literal["store", "reference"] = "store"
    embedded: Annotated[bool, NO_KEY] = False

    def file_names(self, name: str) -> tuple[str, ...]:
        """List the file names that a picture of this name may have, likeliest first."""
        return tuple(pattern.replace("{name}", name) for pattern in self.patterns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The files as their authors publish them; `name` is also their folder below the raw root."""

    name: Annotated[str, FROM_KEY]
    title: str
    home: str
    licence: str
    get: Annotated[str, By(lambda node: node.text().rstrip("\n"))]
    citation: Annotated[str | None, NO_KEY] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    name: Annotated[str, FROM_KEY]
    title: str
    task: Annotated[str, OneOf("tasks")]
    role: Role
    # Of a held-out dataset.
    cluster: Annotated[Literal["task-seen", "task-unseen"] | None, NOT_NULL] = None
    release: Annotated[str, OneOf("releases")]
    reader: str
    media: Media = "image"
    metric: Annotated[str, OneOf("metrics")] | None
    families: tuple[Annotated[str, OneOf("families")], ...]
    splits: Annotated[tuple[Split, ...], WithNames(read_splits)]
    default_splits: tuple[Annotated[str, OneOf("splits")], ...]
    options: Annotated[Mapping[Annotated[str, NAME], Scalar], MAY_BE_EMPTY]
    # The forms of its records, with their factors on the dataset's weight in the mixture.
    forms: Mapping[Annotated[str, OneOf("forms")], Annotated[float, Between(0, 1000)]]
    candidates: Annotated[Candidates | None, WithNames(read_candidates)] = None
    max_rejects_percent: Annotated[float, Between(0, 100)] = 1.0
    note: Annotated[str | None, STRIPPED] = None

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(split.name for split in self.splits)

    def split(self, name: str) -> Split:
        """Return a split; an unknown name is the user's mistake."""
        for split in self.splits:
            if split.name == name:
                return split
        raise UserError(
            f"{self.name} has no split '{name}'; {did_you_mean(name, self.split_names)}"
        )

    def with_options(self, options: Mapping[str, Scalar]) -> "Dataset":
        """Return the dataset with some options set; an unknown one is the user's mistake."""
        for option in options:
            if option not in self.options:
                raise UserError(
                    f"{self.name} has no option '{option}'; {did_you_mean(option, self.options)}"
                )
        return dataclasses.replace(self, options={**self.options, **options})

    def summary(self) -> dict[str, object]:
        """Return what `catalog --json` says of the dataset."""
        return {
            "name": self.name,
            "title": self.title,
            "task": self.task,
            "role": self.role,
            "cluster": self.cluster,
            "release": self.release,
            "media": self.media,
            "metric": self.metric,
            "splits": list(self.split_names),
            "default_splits": list(self.default_splits),
            "forms": dict(self.forms),
            "options": dict(self.options),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """Everything in the file, in its order, by name."""

    tasks: Mapping[str, Task]
    metrics: Mapping[str, Metric]
    families: Mapping[str, Family]
    releases: Mapping[str, Release]
    datasets: Mapping[str, Dataset]

    def dataset(self, name: str) -> Dataset:
        """Return a dataset; an unknown name is the user's mistake."""
        if name not in self.datasets:
            raise UserError(f"there is no dataset '{name}'; {did_you_mean(name, self.datasets)}")
        return self.datasets[name]

    def select(self, *, role: str) -> tuple[Dataset, ...]:
        """List the datasets with a role, in the order of the catalog."""
        return tuple(dataset for dataset in self.datasets.values() if dataset.role == role)

    def release_of(self, dataset: Dataset) -> Release:
        return self.releases[dataset.release]

    def families_of(self, dataset: Dataset) -> tuple[Family, ...]:
        return tuple(self.families[name] for name in dataset.families)
