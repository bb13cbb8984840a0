"""One thing that `check_dataset` has to say."""

from typing import NamedTuple


class Finding(NamedTuple):
    """What is missing; `is_needed` is false where the dataset is whole without it."""

    text: str
    is_needed: bool = True
