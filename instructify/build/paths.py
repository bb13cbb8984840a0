"""Where everything lies in a build: one place for names, free of time and machine."""

from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.json"
CARD = "README.md"
CANDIDATES = "candidates.arrow"
STAGING = ".staging"
LOCK = ".lock"


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
        """Work of runs that did not commit yet; what a killed run finished is found here again."""
        return self.root / STAGING

    @property
    def lock(self) -> Path:
        return self.root / LOCK

    @property
    def commit(self) -> Path:
        """A commit that is decided but perhaps not carried out yet."""
        return self.staging / "commit.json"

    def failed_ledger(self, dataset: str) -> Path:
        """Rejects of a conversion that was refused for their number; gone when one succeeds."""
        return self.root / "rejects" / f"{dataset}.failed.jsonl"

    def unit(self, key: str) -> Path:
        """Folder of the staged results of one unit of work."""
        return self.staging / key[:24]


def shard_name(kind: str, dataset: str, split: str, number: int) -> str:
    """Name of a shard below the root: `<kind>/<dataset>/<split>-00000.arrow`."""
    return f"{kind}/{dataset}/{split}-{number:05d}.arrow"


def rejects_name(dataset: str) -> str:
    """Name of a dataset's ledger of rejects below the root."""
    return f"rejects/{dataset}.jsonl"
