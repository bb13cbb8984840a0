"""The result of a search for shared pictures and texts, and the file beside a build that keeps it.

`BUILD/overlap.json` has the search of a build within itself, `BUILD/overlap-<key>.json` the search
against a second build, whose key is in the name. A result contains a hash of what it depends on:
records, which splits have samples, and the picture index, but not templates. No manifest lists it,
so deleting it only means that the search has to run again.
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
    """A split of a dataset; `build` is 0, or 1 for the second build compared."""

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
    """A picture of the left part, and the picture of the right part that matches it."""

    way: str
    left: str
    right: str


class SharedPictures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pictures that two parts share; `left` and `right` are positions in the list of parts.

    Pictures are counted on the right: by key, of the rest by content, of the rest by likeness. If
    one part is trained on it is left; if one is evaluated it is right.
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
        """The number of pictures in the right part that the left part has too."""
        return self.key + self.content + self.likeness


class SharedTextCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records with a shared text, and those of them that share common texts only."""

    records: Count
    common: Count
    examples: list[str]


class SharedTexts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Texts that a training part (left) and an evaluated part share; the right's records count."""

    left: Count
    right: Count
    questions: SharedTextCounts
    same_picture: Count
    answers: SharedTextCounts


class Overlap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole result of a search, and what could not be compared."""

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
    """Hash what a search depends on in a build: roles, records, pictures, splits with samples."""
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
    """Return the path of the file that keeps a result."""
    name = "overlap.json" if against_key is None else f"overlap-{against_key[:12]}.json"
    return folder / name


def keep_overlap(folder: Path, overlap: Overlap) -> Path:
    """Write a result beside the manifest of a build."""
    path = overlap_path(folder, overlap.against_key)
    write_bytes(path, overlap.to_bytes())
    return path


def read_overlap(path: Path) -> Overlap:
    """Read a result; UserError if this version can't read it."""
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
        raise UserError(f"{path} is damaged (it refers to parts that it does not list); {anew}.")
    return overlap


def _sides(shared: SharedPictures | SharedTexts) -> tuple[int, int]:
    return shared.left, shared.right


def read_overlaps(build: Build) -> Sequence[Overlap]:
    """Read the results beside a build that are still valid for it.

    Results for an earlier state of the build are left out, so an empty list means that `instructify
    overlap BUILD` has to run. A result against a second build has `against_key`, which says for
    which state of that build it is valid.
    """
    root = build.paths.root
    key = overlap_key(build.manifest)
    overlaps = [read_overlap(path) for path in sorted(root.glob("overlap*.json"))]
    return [
        overlap for overlap in overlaps if overlap.build_key == key and overlap.method == METHOD
    ]


class _Version(msgspec.Struct):
    format: int
