"""Pictures and texts that datasets share, and what a training run must know of them."""

from instructify.overlap.find import Question, find_overlap
from instructify.overlap.result import Overlap, read_overlaps
from instructify.overlap.waivers import LeakedPair, unwaived

__all__ = ["LeakedPair", "Overlap", "Question", "find_overlap", "read_overlaps", "unwaived"]
