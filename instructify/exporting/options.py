"""What an export was asked for: plain data, as the receipt holds it too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from instructify._util.errors import UserError, did_you_mean

Word = TypeVar("Word", bound=str)

Shape = Literal["llava", "chat", "webdataset", "parquet", "hub"]
Draws = Literal["all", "first"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
DRAWS: tuple[Draws, ...] = get_args(Draws)

MEGABYTE = 1_000_000
TRAINS_ONLY: tuple[Shape, ...] = ("llava", "chat")  # shapes without a place for "no answer known"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """Everything that the bytes of an export depend on, beside the build."""

    shape: Shape
    names: tuple[str, ...] = ()  # empty: every dataset of the build
    splits: tuple[str, ...] = ()  # empty: every split
    roles: tuple[str, ...] = ()  # held-in, held-out; empty: both
    draws: Draws = "all"
    limit: int | None = None  # samples of a split
    pictures: bool = True
    shard_mb: int = 500
    only_licences: tuple[str, ...] = ()
    redistribute: tuple[str, ...] = ()  # datasets that the user says they may share

    def told(self) -> dict[str, object]:
        """Return the options as the receipt holds them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFolders:
    """Where the pictures of a build by reference lie now; None: where they lay at conversion."""

    raw: Path | None = None
    images: tuple[Path, ...] = ()


def read_options(
    *,
    to: str,
    names: Sequence[str],
    splits: Sequence[str],
    held_in: bool,
    held_out: bool,
    draws: str,
    limit: int | None,
    pictures: bool,
    shard_mb: int,
    only_licences: Sequence[str],
    redistribute: Sequence[str],
) -> ExportOptions:
    """Make options of what was typed; a word that is none of the allowed ones is refused."""
    roles = [role for role, wanted in (("held-in", held_in), ("held-out", held_out)) if wanted]
    return ExportOptions(
        shape=_one_of(to, SHAPES, "--to"),
        names=tuple(sorted(set(names))),
        splits=tuple(sorted(set(splits))),
        roles=tuple(roles),
        draws=_one_of(draws, DRAWS, "--draws"),
        limit=limit,
        pictures=pictures,
        shard_mb=shard_mb,
        only_licences=tuple(sorted(set(only_licences))),
        redistribute=tuple(sorted(set(redistribute))),
    )


def _one_of(given: str, allowed: Sequence[Word], option: str) -> Word:
    for word in allowed:
        if word == given:
            return word
    raise UserError(f"{option} {given}: {did_you_mean(given, allowed)}")
