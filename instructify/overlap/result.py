"""What a search for shared pictures and texts found, and how it is kept beside a build.

`BUILD/overlap.json` holds the search of a build within itself, `BUILD/overlap-<key>.json` that
against another build, whose key is in the name. A result knows by a hash what it depends on:
records, which splits have samples, and picture index, not templates. It belongs to no manifest:
whoever deletes it loses nothing but the search.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import Count, NotReadableError, decode_json, read_regular
from instructify._util.shards import write_bytes
from instructify.build import Build, Manifest, content_key

OVERLAP_FORMAT = 1
METHOD = 3  # raise it when the same build would give another result
WAYS = ("key", "content", "likeness")


class PartFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A split of a dataset; `build` is 0, or 1 for the one that it was held against."""

    build: Count
    dataset: str
    split: str
    role: str
    is_trained: bool
    is_evaluated: bool
    records: Count
    pictures: Count  # distinct keys
    indexed: Count  # of these, with bytes in the build
    hashed: Count  # of these, with a perceptual hash

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.split}"


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of the left part and the one of the right part that it is found to be."""

    way: str
    left: str
    right: str


class SharedPictures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What two parts share; `left` and `right` are places in the list of parts.

    Pictures are counted on the right: by key, of the rest by content, of the rest by likeness.
    The left is trained on and the right evaluated, where either is so.
    """

    left: Count
    right: Count
    key: Count
    content: Count
    likeness: Count
    left_pictures: Count  # the same, all ways together, counted on the left
    left_records: Count
    right_records: Count
    compared_by_likeness: bool
    examples: list[Example]

    @property
    def pictures(self) -> int:
        """Pictures of the right part that the left part has too."""
        return self.key + self.content + self.likeness


class SharedTextCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records whose text is shared, and those of them that share common texts only."""

    records: Count
    common: Count
    examples: list[str]


class SharedTexts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a training part (left) and an evaluated part (right) share; records of the right."""

    left: Count
    right: Count
    questions: SharedTextCounts
    same_picture: Count
    answers: SharedTextCounts


class Overlap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was found, and what could not be compared."""

    format: int
    method: int
    build_key: str
    against_key: str | None
    vg_sha256: str | None
    scope: str  # which parts were compared by likeness: trained, all, none
    parts: list[PartFacts]
    pictures: list[SharedPictures]
    texts: list[SharedTexts] | None  # None: not compared
    candidates: int
    not_compared: list[str]

    def to_bytes(self) -> bytes:
        """Serialise for the file and for --json."""
        value = msgspec.to_builtins(self)
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def overlap_key(manifest: Manifest) -> str:
    """Hash what a search depends on in a build: roles, records, pictures, what has samples."""
    splits = {
        f"{name}/{split}": [
            entry.role,
            of.samples > 0,
            [manifest.files[shard].sha256 for shard in of.record_shards],
        ]
        for name, entry in manifest.datasets.items()
        for split, of in entry.splits.items()
    }
    pictures = [manifest.files[name].sha256 for name in manifest.pictures.index]
    return content_key(f"overlap {METHOD}", {"splits": splits, "pictures": pictures})


def overlap_path(folder: Path, against_key: str | None) -> Path:
    """Name the file that a result is kept in."""
    name = "overlap.json" if against_key is None else f"overlap-{against_key[:12]}.json"
    return folder / name


def keep_overlap(folder: Path, overlap: Overlap) -> Path:
    """Write a result beside the manifest of a build."""
    path = overlap_path(folder, overlap.against_key)
    write_bytes(path, overlap.to_bytes())
    return path


def read_overlap(path: Path) -> Overlap:
    """Read a result; UserError where it is not one that this version reads."""
    anew = "make it anew with `instructify overlap BUILD`"
    try:
        data = read_regular(path)
        version = decode_json(data, _Version).format
        if version != OVERLAP_FORMAT:
            raise UserError(
                f"{path} has format {version} and this version reads {OVERLAP_FORMAT}; {anew}."
            )
        overlap = decode_json(data, Overlap)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}; {anew}.") from error
    except NotReadableError as error:
        raise UserError(f"{path} is damaged ({error}); {anew}.") from error
    places = {
        place for pair in (*overlap.pictures, *(overlap.texts or ())) for place in _sides(pair)
    }
    if places and max(places) >= len(overlap.parts):
        raise UserError(f"{path} is damaged (it speaks of parts that it does not list); {anew}.")
    return overlap


def _sides(shared: SharedPictures | SharedTexts) -> tuple[int, int]:
    return shared.left, shared.right


def read_overlaps(build: Build) -> Sequence[Overlap]:
    """Read the results that are kept with a build and still true of it, newest search or not.

    Those of an earlier state of the build are left out; so an empty list means that
    `instructify overlap BUILD` has to be run. A result against another build tells by
    `against_key` which state of that one it is true of.
    """
    root = build.paths.root
    key = overlap_key(build.manifest)
    overlaps = [read_overlap(path) for path in sorted(root.glob("overlap*.json"))]
    return [
        overlap for overlap in overlaps if overlap.build_key == key and overlap.method == METHOD
    ]


class _Version(msgspec.Struct):
    format: int
