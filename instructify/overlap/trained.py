"""Adapt the result of a search to a recipe: what the recipe trains on, and what is then evaluated.

A search does not depend on a recipe, so one result serves all. Without a recipe, everything that
could be trained on counts as trained. A recipe trains on its own splits, which may be those of a
held-out dataset.
"""

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from instructify.overlap.parts import is_evaluation
from instructify.overlap.result import Overlap, PartFacts, SharedPictures

Splits = Mapping[str, Collection[str]]  # of each dataset


def as_trained(overlap: Overlap, mixture: Splits, fine_tuned: Collection[str] = ()) -> Overlap:
    """Mark each part as trained on by the splits of a mixture, or as evaluated.

    `fine_tuned` are datasets that are both trained on and evaluated: their evaluation splits count
    like those of held-out datasets. Trained parts are on the left, evaluated ones on the right.
    """
    parts = [_as_trained(part, mixture, fine_tuned) for part in overlap.parts]
    pictures = [
        _turned(picture)
        if parts[picture.right].is_trained and not parts[picture.left].is_trained
        else picture
        for picture in overlap.pictures
    ]
    return replace(overlap, parts=parts, pictures=pictures)


def _as_trained(part: PartFacts, mixture: Splits, fine_tuned: Collection[str]) -> PartFacts:
    is_trained = part.split in mixture.get(part.dataset, ())
    is_tuned = part.dataset in fine_tuned and is_evaluation(part.split)
    is_evaluated = not is_trained and (part.is_evaluated or is_tuned)
    return replace(part, is_trained=is_trained, is_evaluated=is_evaluated)


def _turned(shared: SharedPictures) -> SharedPictures:
    """Count on the other side: the same number by key, the rest up to the total of that side."""
    content = min(shared.content, shared.left_pictures - shared.key)
    return replace(
        shared,
        left=shared.right,
        right=shared.left,
        content=content,
        likeness=shared.left_pictures - shared.key - content,
        left_pictures=shared.pictures,
        left_records=shared.right_records,
        right_records=shared.left_records,
        examples=[
            replace(example, left=example.right, right=example.left) for example in shared.examples
        ],
    )
