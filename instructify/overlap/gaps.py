"""Sentences about what a search could not compare, and why."""

from collections.abc import Iterator

from instructify._util.wording import counted
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.overlap.likeness import Likeness, Scope
from instructify.overlap.masks import has_part
from instructify.overlap.pictures import PictureRows


def not_compared(
    pictures: PictureRows,
    likeness: Likeness,
    catalog: Catalog,
    *,
    scope: Scope,
    has_aliases: bool,
) -> Iterator[str]:
    """Return a sentence for each thing that could not be compared."""
    here = {part.dataset for part in pictures.parts if part.is_evaluated}
    missing = [
        dataset.name for dataset in catalog.select(role="held-out") if dataset.name not in here
    ]
    if missing:
        yield f"held-out sets that are not in the build: {', '.join(missing)}"
    if not any(part.is_trained for part in pictures.parts):
        yield "there is no split to train on"
    yield from _without_bytes(pictures)
    if not has_aliases and _names_vg(pictures):
        yield (
            "Visual Genome's pictures with COCO's, by key: about half of them are COCO's; give "
            "Visual Genome's image_data.json as --vg"
        )
    if scope == "none":
        yield "nothing was compared by likeness (--likeness none)"
    if likeness.unreadable:
        yield f"{counted(likeness.unreadable, 'picture')} with a near hash can't be read any more"
    if likeness.plain:
        plain = counted(likeness.plain, "picture is plain", "pictures are plain")
        yield f"{plain}: such surfaces all look alike"


def _without_bytes(pictures: PictureRows) -> Iterator[str]:
    """Count clips, and pictures that no conversion looked at."""
    bare = [build for build in pictures.builds if not _has_pictures(build)]
    for build in bare:
        yield f"{build.paths.root} was made without pictures: its pictures by key only"
    lacking = {
        part.name: int((has_part(pictures.holders, number) & ~pictures.facts.known).sum())
        for number, part in enumerate(pictures.parts)
        if pictures.builds[part.build] not in bare
    }
    counts = [f"{name} {count:,}" for name, count in lacking.items() if count]
    if counts:
        yield f"pictures that the build lacks, by key only: {', '.join(counts)}"
    clips = int((pictures.facts.known & ~pictures.facts.hashed).sum())
    if clips:
        lacking_it = counted(clips, "clip has", "clips have")
        yield f"{lacking_it} no perceptual hash: by key and content only"


def _has_pictures(build: Build) -> bool:
    return build.manifest.pictures.looked_at


def _names_vg(pictures: PictureRows) -> bool:
    """Return whether a part has pictures of Visual Genome."""
    for number in range(len(pictures.parts)):
        rows = pictures.named[number][:1]
        if len(rows) and pictures.name(int(rows[0]), number).startswith("vg/"):
            return True
    return False
