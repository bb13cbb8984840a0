"""Partly decoded pictures of rejects whose picture is damaged.

The build does not hold such a picture, so its file is read from the raw root. Decoding stops at the
damage; the part before it is shown.
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
    """Decode the damaged pictures of rejects as far as possible; empty without a raw root."""
    noted = load_roots(build.paths.root)
    images = () if noted is None else noted.images
    root = raw if raw is not None else (None if noted is None else noted.raw)
    if root is None or not root.is_dir():
        return {}
    roots = Roots.resolve(root, images)
    locator = Locator(families=catalog.families, roots=roots)
    decoded: dict[str, Image.Image] = {}
    with SourceReader(roots) as source:
        for key, release in _damaged(build, rejects):
            place = locator.find(key, release)
            data = place if isinstance(place, Problem) else source.read(place, MAX_PICTURE_BYTES)
            image = None if isinstance(data, Problem) else seen_of(data)
            if image is not None:
                decoded[key] = image
    return decoded


def _damaged(build: Build, rejects: Iterable[Rejected]) -> Iterator[tuple[str, str]]:
    """Yield the keys of damaged pictures, each with the release of its dataset."""
    for reject in rejects:
        if reject.reason in DAMAGED:
            for key in reject.pictures:
                yield key, build.dataset(reject.dataset).release


def seen_of(data: bytes) -> Image.Image | None:
    """Decode a picture as far as its bytes go; None if its header can't be read."""
    try:
        picture = open_picture(data)
        with suppress(*DECODER_ERRORS):
            picture.load()
        if isinstance(picture, ImageFile.ImageFile):
            picture.tile = []  # keeps what is decoded: without tiles PIL does not decode again
        return flatten(picture, "RGB")
    except (TooManyPixels, *DECODER_ERRORS):
        return None
