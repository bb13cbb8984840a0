"""The options of an export as plain data; the receipt holds them too."""

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
TRAINS_ONLY: tuple[Shape, ...] = (
    "llava",
    "chat",
)  # formats that can't hold a sample without a response


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """All options that the bytes of an export depend on, besides the build."""

    shape: Shape
    names: tuple[str, ...] = ()  # empty: every dataset of the build
    splits: tuple[str, ...] = ()  # empty: every split
    roles: tuple[str, ...] = ()  # held-in, held-out; empty: both
    draws: Draws = "all"
    limit: int | None = None  # samples of a split
    pictures: bool = True
    shard_mb: int = 500
    only_licences: tuple[str, ...] = ()
    redistribute: tuple[str, ...] = ()  # datasets that the user may share

    @property
    def prefix(self) -> str:
        """The start of the names of Parquet files."""
        return "data/" if self.shape == "hub" else ""

    @property
    def shard_bytes(self) -> int:
        """The size at which a tar or a Parquet file ends."""
        return self.shard_mb * MEGABYTE

    def told(self) -> dict[str, object]:
        """Return the options as plain values for the receipt."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFolders:
    """The folders of pictures by reference; None for the folders of the conversion."""

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
    """Turn options of the command line into `ExportOptions`.

    Raises:
        UserError: `to` or `draws` is not one of the allowed words.
    """
    roles = [role for role, chosen in (("held-in", held_in), ("held-out", held_out)) if chosen]
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


def _one_of(text: str, allowed: Sequence[Word], option: str) -> Word:
    for word in allowed:
        if word == text:
            return word
    raise UserError(f"{option} {text}: {did_you_mean(text, allowed)}")
