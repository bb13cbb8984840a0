"""Read problems keyed by id, with splits in a second file, as IconQA and ScienceQA publish them.

Only the problems of the split are checked, in the order of the problems file. An id of the split
without a readable problem becomes a reject. The problems file is streamed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from instructify._util.errors import UserError, did_you_mean
from instructify.readers.base import RawFile, RecordRows
from instructify.readers.choices import without_empty
from instructify.readers.json_items import read_mapping, read_value
from instructify.readers.json_recovery import to_model
from instructify.readers.text import clean
from instructify.rejects import Reject

T = TypeVar("T")


class Labelled(NamedTuple):
    """The choices of a problem and the index of the right one."""

    texts: list[str]
    right: int
    dropped: int  # number of empty wrong choices, for a remark


def read_split(file: RawFile, names: Sequence[str]) -> Mapping[str, int]:
    """Read the ids of some names in the splits file, each with its position under the name."""
    splits = read_value(file, dict[str, list[str]])
    for name in names:
        if name not in splits:
            raise UserError(
                f"{file.name} has no split '{name}'; {did_you_mean(name, splits)} "
                f"Or fetch the file again."
            )
    return {pid: position for name in names for position, pid in enumerate(splits[name])}


def read_problems(
    files: Mapping[str, RawFile], names: Sequence[str], model: type[T], rows: RecordRows
) -> Iterator[tuple[int, str, T]]:
    """Stream position, id and problem of the splits `names`; rejects go to `rows`."""
    wanted = read_split(files["splits"], names)
    file = files["problems"]
    seen: set[str] = set()
    # Fields are checked below, for problems of the split only.
    for items in read_mapping(file, dict[str, Any]):
        rows.extend_rejects(items.rejects)
        for position, (pid, value) in zip(items.positions, items.items, strict=True):
            if pid not in wanted:
                continue
            seen.add(pid)
            item = to_model(value, model, file.name, position)
            if isinstance(item, Reject):
                rows.extend_rejects([item])
            else:
                yield position, pid, item
    for pid, position in wanted.items():
        if pid not in seen:
            detail = f"{file.name} has no readable problem {pid}"
            rows.reject(files["splits"], position, pid, "bad-value", detail)


def check_choices(
    rows: RecordRows, file: RawFile, position: int, choices: Sequence[str], answer: int
) -> Labelled | None:
    """Clean the choices and remove empty wrong ones.

    Returns None, with a reject, if the right choice is empty or the answer is not an index.
    """
    texts = [clean(choice) for choice in choices]
    if not 0 <= answer < len(texts):
        detail = f"{answer} is no index into {len(texts)} choices"
        rows.reject(file, position, "answer", "bad-value", detail)
        return None
    kept = without_empty(texts, answer)
    if isinstance(kept, str):
        rows.reject(file, position, "choices", "empty-text", kept)
        return None
    return Labelled(kept.texts, kept.right or 0, kept.dropped)
