"""The kinds of findings about a raw root, their severity, and the advice for each.

Reasons of `rejects.REASONS` have the same names here; all other causes come only from an
examination of the raw root. A fault loses or spoils records; a note loses none that could be had.
"""

from typing import Literal, NamedTuple

from instructify.pictures import MAX_PIXELS
from instructify.rejects import REASONS

Severity = Literal["fault", "note"]

_FETCH = "Fetch these files again; a conversion makes rejects of their records."
_GET = "Get them as said below"
_ITEMS = "Fetch the file again if it should be whole; a conversion leaves these items out."


class Cause(NamedTuple):
    """A kind of finding: what is counted, what is wrong, and a sentence of advice."""

    severity: Severity
    unit: str
    what: str
    mend: str

    @property
    def rank(self) -> int:
        """Return a sort key that puts causes before consequences: files, records, pictures."""
        return _RANKS.get(self.unit, 1)


_RANKS = {"file": 0, "tar": 0, "folder": 0, "option": 0, "picture": 2, "clip": 2}


CAUSES: dict[str, Cause] = {
    "file-missing": Cause("fault", "file", "a split can't be read without it", f"{_GET}."),
    "file-unreadable": Cause(
        "fault",
        "file",
        "it is not what the release documents",
        "Fetch the file again; it may be cut off, or another file of that name.",
    ),
    "cut-off": Cause(
        "fault",
        "file",
        "it ends in the middle, and how much is missing nobody can tell",
        "Fetch the file again; a conversion refuses it.",
    ),
    "clip-truncated": Cause(
        "fault",
        "clip",
        "the file is shorter than its header says, though its first frame can be decoded",
        "Fetch these clips again; a conversion keeps them, and their last frame is repeated.",
    ),
    "tar-damaged": Cause(
        "fault",
        "tar",
        "a tar of pictures is cut off, damaged, or does not say which url a picture has",
        "Fetch its pictures again with img2dataset; those that can be told apart are used.",
    ),
    "slice": Cause(
        "note",
        "split",
        "fewer records than the official release has",
        "Nothing to do if a slice is meant; otherwise get the whole files again.",
    ),
    "more-records": Cause(
        "note",
        "split",
        "more records than the official release has",
        "See whether the file is another version of the release, or two joined into one.",
    ),
    "no-record": Cause(
        "note",
        "split",
        "the files are there, but hold nothing of this split",
        "Name another --split, or get the files again.",
    ),
    "file-optional": Cause(
        "note",
        "file",
        "an optional file is not there",
        "`instructify catalog NAME` says how to get it, if you want what it adds.",
    ),
    "vocabulary-missing": Cause(
        "note",
        "file",
        "the answers that a model chooses from are counted in it",
        "`instructify catalog NAME` says how to get it; without it samples have no candidates.",
    ),
    "file-without-effect": Cause(
        "fault",
        "file",
        "there, but no record has anything of it",
        "Get the file of this split; where its keys are written another way, write them anew.",
    ),
    "file-of-little-effect": Cause(
        "note",
        "file",
        "it names fewer than half of the pictures",
        "See whether it is of the same split and whole; a conversion uses what it names.",
    ),
    "vocabulary-apart": Cause(
        "note",
        "split",
        "hardly any of its answers are among the candidates",
        "See whether the file that they are counted in is of the same release.",
    ),
    "label-missing": Cause(
        "fault",
        "record",
        "without an answer in a split that has them",
        f"{_GET}; a conversion ends where most records of a split have none.",
    ),
    "empty-answer": Cause(
        "note",
        "record",
        "an answer among several is empty",
        "Nothing to do; it stays for scoring and is never trained on.",
    ),
    "empty-choice": Cause(
        "note",
        "choice",
        "a wrong choice is empty",
        "Nothing to do; it is left out, and the index of the right one follows.",
    ),
    "whole-number": Cause(
        "note",
        "record",
        "a whole number is written as 1.0",
        "Nothing to do; where all of a column are, they are read as whole numbers.",
    ),
    "tools": Cause(
        "note",
        "record",
        "its conversation has 'tools', which are not read",
        "Nothing to do if no turn calls one; name the column under 'fields' to keep it.",
    ),
    "field-without-value": Cause(
        "note",
        "field",
        "no record has this field of your own",
        "See which column 'fields' names for it.",
    ),
    "option-without-effect": Cause(
        "note",
        "option",
        "it changes nothing here",
        "Leave it out, or name a split that it changes.",
    ),
    "folder-without-effect": Cause(
        "note",
        "folder",
        "no picture comes from it",
        "See whether it holds the pictures under the names that the catalog has for them.",
    ),
    "picture-gone": Cause(
        "note",
        "picture",
        "not there, but no more of them than the catalog expects to be gone from the net",
        "Nothing to do; a conversion makes rejects of their records.",
    ),
    "odd-end": Cause(
        "note",
        "picture",
        "the end of the file is missing, yet the picture can be decoded",
        "Nothing to do; a conversion keeps them.",
    ),
    "suffix-differs": Cause(
        "note",
        "picture",
        "the name says another kind than the content",
        "Nothing to do; a conversion goes by the content and keeps the name.",
    ),
    "picture-missing": Cause(
        "fault",
        "picture",
        REASONS["picture-missing"],
        f"{_GET}, or name the folder that holds them with --images.",
    ),
    "path-outside-root": Cause(
        "fault",
        "picture",
        REASONS["path-outside-root"],
        "Give the folder that a link leads to with --images; a name that climbs is refused.",
    ),
    "picture-too-large": Cause(
        "fault",
        "picture",
        REASONS["picture-too-large"],
        f"Scale them to at most {MAX_PIXELS:,} pixels, or let their records be rejects.",
    ),
    "duplicate-id": Cause(
        "fault",
        "record",
        REASONS["duplicate-id"],
        "See whether the file was joined from two; the first record keeps the id.",
    ),
    **{
        reason: Cause("fault", "picture", REASONS[reason], _FETCH)
        for reason in ("picture-empty", "picture-truncated", "picture-unreadable", "not-a-picture")
    },
    "clip-unreadable": Cause("fault", "clip", REASONS["clip-unreadable"], _FETCH),
}


def cause_of(name: str) -> Cause:
    """Return the description of a cause; reasons of readers are about items of a raw file."""
    return CAUSES.get(name) or Cause("fault", "item", REASONS[name], _ITEMS)
