"""Find pictures and texts that datasets share, so that training and evaluation data stay apart."""

from instructify.overlap.find import Question, find_overlap
from instructify.overlap.likeness import Scope
from instructify.overlap.result import (
    Example,
    Overlap,
    PartFacts,
    SharedPictures,
    SharedTextCounts,
    keep_overlap,
    read_overlaps,
)
from instructify.overlap.trained import as_trained
from instructify.overlap.waivers import LeakedPair, leaked_pairs, unwaived, waiver_of

__all__ = [
    "Example",
    "LeakedPair",
    "Overlap",
    "PartFacts",
    "Question",
    "Scope",
    "SharedPictures",
    "SharedTextCounts",
    "as_trained",
    "find_overlap",
    "keep_overlap",
    "leaked_pairs",
    "read_overlaps",
    "unwaived",
    "waiver_of",
]
