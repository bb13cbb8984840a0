"""The splits of a build to export, in the order of the export."""

from collections.abc import Iterable
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify.build import Build, DatasetEntry, SplitEntry
from instructify.exporting.licences import accepts, check_accepted_names, check_redistribution
from instructify.exporting.options import ExportOptions


class Chosen(NamedTuple):
    """One split to export."""

    dataset: str
    split: str
    entry: DatasetEntry
    of: SplitEntry

    @property
    def is_video(self) -> bool:
        return self.entry.media == "video"

    @property
    def is_held_out(self) -> bool:
        return self.entry.role == "held-out"


class Selection(NamedTuple):
    """The splits to export, and the datasets that --only-licences left out."""

    chosen: list[Chosen]
    unlicensed: dict[str, str]  # name => its licence

    @property
    def num_samples(self) -> int:
        return sum(split.of.samples for split in self.chosen)


def select(build: Build, options: ExportOptions) -> Selection:
    """Choose splits by names, roles, splits and licences.

    Raises:
        UserError: nothing is left to export, or a name does not exist.
    """
    entries = _by_role(build, _named(build, options.names), options.roles)
    unlicensed: dict[str, str] = {}
    if options.only_licences:
        check_accepted_names(entries, options.only_licences)
        unlicensed = {
            name: entry.licence
            for name, entry in entries.items()
            if not accepts(options.only_licences, entry.licence)
        }
        entries = {name: entry for name, entry in entries.items() if name not in unlicensed}
        if not entries:
            raise UserError(
                f"every dataset chosen from {build.paths.root} has a part under another licence "
                f"than {', '.join(options.only_licences)}; name those too."
            )
    _check_redistribute_names(build, options.redistribute)
    if options.shape == "hub":
        check_redistribution(entries, options.redistribute)
    chosen = [
        Chosen(name, split, entry, of)
        for name, entry in sorted(entries.items())
        for split, of in sorted(entry.splits.items())
        if not options.splits or split in options.splits
    ]
    _check_splits(build, entries.values(), options.splits)
    return Selection(chosen, unlicensed)


def _named(build: Build, names: Iterable[str]) -> dict[str, DatasetEntry]:
    chosen = list(names) or list(build.manifest.datasets)
    return {name: build.dataset(name) for name in chosen}


def _by_role(
    build: Build, entries: dict[str, DatasetEntry], roles: tuple[str, ...]
) -> dict[str, DatasetEntry]:
    of_roles = {name: entry for name, entry in entries.items() if not roles or entry.role in roles}
    if not of_roles:
        what = f"{' and '.join(roles)} dataset" if roles else "dataset"
        raise UserError(f"{build.paths.root} has no {what} to export; see `instructify inspect`.")
    return of_roles


def _check_splits(build: Build, entries: Iterable[DatasetEntry], splits: tuple[str, ...]) -> None:
    existing = {split for entry in entries for split in entry.splits}
    for split in splits:
        if split not in existing:
            raise UserError(
                f"no chosen dataset of {build.paths.root} has a split '{split}'; "
                f"{did_you_mean(split, existing)}"
            )


def _check_redistribute_names(build: Build, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in build.manifest.datasets:
            raise UserError(
                f"--redistribute {name}: {build.paths.root} has no such dataset; "
                f"{did_you_mean(name, build.manifest.datasets)}"
            )
