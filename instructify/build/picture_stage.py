"""Second step: the pictures that the records name, found, checked, indexed and stored once each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instructify.build.manifest import Manifest, PicturesEntry
from instructify.build.paths import BuildPaths
from instructify.build.state import Shard, SplitState


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureOutcome:
    """What the manifest will say of the pictures, and the files to be moved in."""

    entry: PicturesEntry
    staged: Mapping[str, Shard] = field(default_factory=dict)


def problems_of(manifest: Manifest, paths: BuildPaths, state: SplitState) -> Path | None:
    return None
