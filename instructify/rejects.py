"""Why an item of a release did not become a sample: reason codes and one ledger row.

A reject is never silent: it names the source file, the position in it, the field and a code from
`REASONS`.
"""

from typing import NamedTuple

REASONS: dict[str, str] = {
    "malformed-json": "the bytes are not JSON",
    "cut-off": "the file ends in the middle, so what is behind is missing",
    "too-deep": "nested deeper than any record of this release",
    "not-an-object": "the item is not of the record's kind",
    "missing-field": "a field that the record needs is absent",
    "null-field": "a field that the record needs is null",
    "wrong-type": "a field holds another type than the release documents",
    "bad-value": "a field holds a value that the release does not know",
    "not-finite": "a number is NaN or infinite",
    "lone-surrogate": "a text holds half of a UTF-16 pair and has no bytes",
    "empty-text": "a text that the record needs is empty",
    "duplicate-id": "another record of the split has the same id",
    "no-annotation": "the question has no annotation",
    "no-caption": "the picture has no caption",
    "no-answer": "the question has no answer to train on",
    "no-url-mapping": "the clip id has no line in the mapping file",
    "path-outside-root": "a picture name leads out of the raw root",
    "picture-missing": "no file of that name below the picture folders",
    "picture-empty": "the file has no bytes",
    "picture-truncated": "the file ends before the picture does",
    "picture-too-large": "more pixels than the cap allows",
    "picture-unreadable": "the file is damaged",
    "not-a-picture": "the file is of another kind than a picture",
    "clip-unreadable": "no frame of the clip can be decoded",
    "render-failed": "the template failed on this record",
    "empty-render": "the rendered instruction or response is empty",
}


class Reject(NamedTuple):
    """One skipped item. `position` is the 0-based index in the list, line or row; None: the file as
    a whole."""

    source: str
    position: int | None
    field: str | None
    reason: str
    detail: str
