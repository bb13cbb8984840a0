"""What can still be seen of pictures that were rejected as damaged: their files, as far as they go.

The build has no such picture, so the file is looked for where the conversion looked. Decoding stops
where the bytes do; what comes before is shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageFile

from instructify.build import Build
from instructify.catalog import Catalog
from instructify.inspecting.rejects import Rejected
from instructify.pictures import (
    DECODER_ERRORS,
    MAX_PICTURE_BYTES,
    Locator,
    Problem,
    Roots,
    SourceReader,
    TooManyPixels,
    flatten,
    load_roots,
    open_picture,
)

DAMAGED = ("picture-truncated", "picture-unreadable")


def damaged_pictures(
    build: Build, catalog: Catalog, raw: Path | None, rejects: Iterable[Rejected]
) -> Mapping[str, Image.Image]:
    """Decode what there is of the damaged pictures of rejects, by key; nothing without a root."""
    noted = load_roots(build.paths.root)
    images = () if noted is None else noted.images
    root = raw if raw is not None else (None if noted is None else noted.raw)
    if root is None or not root.is_dir():
        return {}
    roots = Roots.resolve(root, images)
    locator = Locator(families=catalog.families, roots=roots)
    found: dict[str, Image.Image] = {}
    with SourceReader(roots) as source:
        for key, release in _damaged(build, rejects):
            place = locator.find(key, release)
            data = place if isinstance(place, Problem) else source.read(place, MAX_PICTURE_BYTES)
            image = None if isinstance(data, Problem) else seen_of(data)
            if image is not None:
                found[key] = image
    return found


def _damaged(build: Build, rejects: Iterable[Rejected]) -> Iterator[tuple[str, str]]:
    """Go through the keys of damaged pictures, with the releases that name them."""
    for reject in rejects:
        if reject.reason in DAMAGED:
            for key in reject.pictures:
                yield key, build.dataset(reject.dataset).release


def seen_of(data: bytes) -> Image.Image | None:
    """Decode a picture as far as its bytes go; None where not even its header can be read."""
    try:
        picture = open_picture(data)
        with suppress(*DECODER_ERRORS):
            picture.load()
        if isinstance(picture, ImageFile.ImageFile):
            picture.tile = []  # what was decoded stands, and is not asked for again
        return flatten(picture, "RGB")
    except (TooManyPixels, *DECODER_ERRORS):
        return None
