"""What the catalog knows, as frozen dataclasses: tasks, metrics, families, releases, datasets.

Pure data with the few questions that everybody asks of it. Reading YAML is `instructify.catalog`;
what an option may be is declared by the reader of the dataset.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from instructify._util.errors import UserError, did_you_mean
from instructify._util.yaml_lines import Scalar

_PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A kind of work; prefix templates call it by its title, its records have these forms."""

    name: str
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

    name: str
    media: str
    patterns: tuple[str, ...]
    folders: tuple[str, ...]
    tars: tuple[str, ...]
    keep: Literal["store", "reference"] = "store"
    embedded: bool = False

    def file_names(self, name: str) -> tuple[str, ...]:
        """List the file names that a picture of this name may have, likeliest first."""
        return tuple(pattern.replace("{name}", name) for pattern in self.patterns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """The files as their authors publish them; `name` is also their folder below the raw root."""

    name: str
    title: str
    home: str
    licence: str
    get: str
    citation: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RawFileSpec:
    """A raw file of a split: its role to the reader, and the names it may have, tried in order.

    A name is relative to the folder of the release and may hold `{option}`. `many`, in own data
    alone: all of the names are wanted, each may be a glob or a folder, and every file is read.
    """

    role: str
    names: tuple[str, ...]
    optional: bool
    many: bool = False

    def names_for(self, options: Mapping[str, Scalar]) -> tuple[str, ...]:
        """List the names with the values of options filled in."""
        return tuple(
            _PLACEHOLDER.sub(lambda match: str(options.get(match[1], match[0])), name)
            for name in self.names
        )

    def placeholders(self) -> tuple[str, ...]:
        """List the options that the names depend on."""
        return tuple(
            sorted({option for name in self.names for option in _PLACEHOLDER.findall(name)})
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """Official counts of a complete release, under the options that `when` names.

    `exact` is false where the number of records is known rounded or from one source only.
    """

    records: int | None
    pictures: int | None
    exact: bool
    when: Mapping[str, tuple[Scalar, ...]]

    def holds(self, options: Mapping[str, Scalar]) -> bool:
        return all(options.get(option) in values for option, values in self.when.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    name: str
    files: tuple[RawFileSpec, ...]
    expected: tuple[Expected, ...]
    labelled: bool  # false: the authors keep the answers, the split is for inference only

    def file(self, role: str) -> RawFileSpec:
        """Return the file with this role."""
        for spec in self.files:
            if spec.role == role:
                return spec
        raise KeyError(f"split '{self.name}' has no file '{role}'")

    def expected_for(self, options: Mapping[str, Scalar]) -> Expected | None:
        """Return the official counts under these options, if any are known."""
        return next((expected for expected in self.expected if expected.holds(options)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The closed answer set that a sample is ranked against.

    kind `record`: the choices of the record; `fixed`: `values`; `vocabulary`: the answers of
    `splits` given at least `min_count` times, of these the `top` most frequent (None: all).
    """

    kind: str
    values: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    min_count: int = 1
    top: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    name: str
    title: str
    task: str
    role: str  # held-in | held-out
    cluster: str | None  # held-out: task-seen | task-unseen
    release: str
    reader: str
    media: str  # image | video
    metric: str | None
    families: tuple[str, ...]
    splits: tuple[Split, ...]
    default_splits: tuple[str, ...]
    options: Mapping[str, Scalar]
    forms: Mapping[str, float]  # form of record -> factor on the dataset's weight in the mixture
    candidates: Candidates | None
    max_rejects_percent: float
    note: str | None

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
        """List the datasets of a role, in the order of the catalog."""
        return tuple(dataset for dataset in self.datasets.values() if dataset.role == role)

    def release_of(self, dataset: Dataset) -> Release:
        return self.releases[dataset.release]

    def families_of(self, dataset: Dataset) -> tuple[Family, ...]:
        return tuple(self.families[name] for name in dataset.families)
