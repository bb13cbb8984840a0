"""Names of files and folders in a build, which do not depend on time or machine."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.json"
CARD = "README.md"
CANDIDATES = "candidates.arrow"
STAGING = ".staging"
LOCK = ".lock"
_UNIT = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class BuildPaths:
    """The files and folders of a build, from its root."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST

    @property
    def card(self) -> Path:
        return self.root / CARD

    @property
    def candidates(self) -> Path:
        return self.root / CANDIDATES

    @property
    def staging(self) -> Path:
        """Results of runs that have not committed yet, which a restarted run uses again."""
        return self.root / STAGING

    @property
    def lock(self) -> Path:
        return self.root / LOCK

    @property
    def commit(self) -> Path:
        """The note of a commit that may not be complete yet."""
        return self.staging / "commit.json"

    def failed_ledger(self, dataset: str) -> Path:
        """Rejects of a conversion that was refused for their number, until the next success."""
        return self.root / "rejects" / f"{dataset}.failed.jsonl"

    @property
    def overlap(self) -> Path:
        """Results of the parts of `overlap`, until it ends."""
        return self.staging / "overlap"

    @property
    def parts(self) -> Path:
        """Notes of the parts of a conversion: running parts and finished units."""
        return self.staging / "parts"


def shard_name(kind: str, dataset: str, split: str, number: int) -> str:
    """Return the name of a shard below the root: `<kind>/<dataset>/<split>-00000.arrow`."""
    return f"{kind}/{dataset}/{split}-{number:05d}.arrow"


def rejects_name(dataset: str) -> str:
    """Return the name of a dataset's ledger of rejects below the root."""
    return f"rejects/{dataset}.jsonl"


def unit_folder(staging: Path, key: str) -> Path:
    """Return the folder of the staged results of a unit."""
    return staging / key[:24]


def has_units(staging: Path) -> bool:
    """Whether some unit has left its folder."""
    return any(_UNIT.fullmatch(name) for name in os.listdir(staging))


def hash_notes(staging: Path) -> Path:
    """The folder of the hashes of raw files."""
    return staging / "hashes"
