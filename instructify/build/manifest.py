"""The manifest: the contents of a build, its inputs, and the hash of every file in it.

It has no times, hosts or absolute paths, so equal inputs give equal bytes. It is written last:
files that it does not name are not part of the build.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import Count, NotReadableError, Sha256, decode_json, read_regular
from instructify._util.shards import FileFacts
from instructify.build.checked import BadBuildError, check_manifest, is_name
from instructify.build.coverage import Coverage
from instructify.templating import Mode

FORMAT = 3

Scalar = str | int | float | bool


class RawSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A raw file that a split was read from."""

    role: str
    name: str  # below the raw root
    size_bytes: Count
    sha256: Sha256


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: Count
    size_bytes: Count
    sha256: Sha256


class SplitEntry(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """A split of a dataset; its keys hash everything that records and samples depend on."""

    records: Count
    samples: Count
    pictures: Count
    draws: Count
    wanted_draws: Count | None  # None: by the rule
    seed: int
    limit: Count | None
    forms: dict[str, Count]
    record_rejects: dict[str, Count]  # of the reader
    sample_rejects: dict[str, Count]  # of later steps: pictures and templates
    reader: str
    raw: list[RawSource]
    ocr: RawSource | None
    candidate_set: str | None
    templates_sha256: str
    templates_folder: str  # "built-in" or a folder's name, and added folders: "built-in + mine"
    prompts: Mode = "instruction"  # or one of the baselines
    evaluation_prompts: list[str] = []  # datasets whose evaluation prompt is one of the templates
    records_key: str
    samples_key: str
    problems_sha256: str | None  # of the list of unusable pictures; None: pictures not looked at
    record_shards: list[str]
    sample_shards: list[str]
    notes: list[str]
    coverage: Coverage = Coverage()

    @property
    def rejects(self) -> dict[str, int]:
        """All rejects by reason."""
        total = dict(self.record_rejects)
        for reason, count in self.sample_rejects.items():
            total[reason] = total.get(reason, 0) + count
        return dict(sorted(total.items()))


class DatasetEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    title: str
    task: str
    role: str
    cluster: str | None
    release: str
    media: str
    metric: str | None
    licence: str
    home: str
    options: dict[str, Scalar]
    weights: dict[str, float]  # factor per form on the dataset's weight in a mixture
    own_candidates: bool  # the choices of a sample are its candidates
    splits: dict[str, SplitEntry]


PictureMode = Literal["store", "reference", "none"]


class FamilyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The pictures of one family in a build; the family is the part of a key before the slash."""

    mode: PictureMode
    keys: Count = 0


class PicturesEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All pictures of a build; `index` and `problems` are parts by ranges of the keys' hashes."""

    families: dict[str, FamilyEntry] = {}
    keys: Count = 0
    distinct: Count = 0
    size_bytes: Count = 0
    index: list[str] = []
    problems: list[str] = []
    stores: list[str] = []

    @property
    def modes(self) -> dict[str, PictureMode]:
        """The mode of each family of pictures."""
        return {name: family.mode for name, family in self.families.items()}

    @property
    def referenced(self) -> int:
        """The number of keys that refer to files outside of the build."""
        return sum(family.keys for family in self.families.values() if family.mode == "reference")

    @property
    def looked_at(self) -> bool:
        """Whether pictures were looked for."""
        return bool(self.index)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: int
    instructify: str
    catalog_sha256: str
    pictures: PicturesEntry
    datasets: dict[str, DatasetEntry]
    candidate_sets: dict[str, Count]  # id => number of answers
    files: dict[str, FileEntry]  # every file of the build but this one and the card

    def to_bytes(self) -> bytes:
        """Encode as JSON: sorted, indented, reproducible."""
        value = msgspec.to_builtins(self)
        return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_manifest(path: Path) -> Manifest | None:
    """Read a manifest; None if there is none. Raises UserError for another version or form."""
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from error
    return parse_manifest(data, path)


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Decode a manifest and check every name and count in it."""
    rebuild = "make it anew: `instructify convert NAME... --raw DIR --out NEW-FOLDER`"
    try:
        version = decode_json(data, _Version)
    except NotReadableError as error:
        raise UserError(f"{path} is not a manifest ({error}); {rebuild}.") from error
    if version.format != FORMAT:
        names = [name for name in sorted(version.datasets) if is_name(name)]
        if names:
            rebuild = rebuild.replace("NAME...", " ".join(names))
        raise UserError(
            f"{path} has format {version.format} and this version reads {FORMAT}; {rebuild}."
        )
    try:
        manifest = decode_json(data, Manifest)
        check_manifest(manifest)
    except (NotReadableError, BadBuildError) as error:
        raise UserError(f"{path} is damaged ({error}); {rebuild}.") from error
    return manifest


def check_shared_files(manifest: Manifest | None, root: Path) -> None:
    """Refuse to add to a build that has lost pictures or answer sets, which its datasets share."""
    if manifest is None:
        return
    for name, entry in manifest.files.items():
        if name.startswith(("records/", "samples/", "rejects/")):
            continue  # of one dataset, and made again with it
        if not is_whole(root / name, entry):
            raise UserError(
                f"{root / name} is missing or cut; put it back, or make the build anew: "
                "`instructify convert NAME... --raw DIR --out NEW-FOLDER`."
            )


def is_whole(path: Path, entry: FileEntry) -> bool:
    """Whether a file exists with its full length; only `verify` finds changed bytes."""
    try:
        return path.stat().st_size == entry.size_bytes
    except FileNotFoundError:
        return False


def file_entry(facts: FileFacts) -> FileEntry:
    return FileEntry(facts.rows, facts.size_bytes, facts.sha256)


def content_key(purpose: str, value: Any) -> str:
    """Hash everything that a result depends on; equal keys mean equal results."""
    text = json.dumps([purpose, msgspec.to_builtins(value)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Version(msgspec.Struct):
    format: int
    datasets: dict[str, msgspec.Raw] = {}
