"""Exports of a build for other trainers: LLaVA, chat messages, WebDataset, Parquet, the Hub.

An export copies the texts and picture bytes of the build; nothing is decoded or rendered again.
What a format can't hold is counted by reason.
"""

from instructify.exporting.folder import check_replaceable, pieces_beside, standing_of
from instructify.exporting.gathering import NOTES, clear_pieces
from instructify.exporting.options import ExportOptions, PictureFolders, read_options
from instructify.exporting.push import check_repository, push_folder
from instructify.exporting.receipt import Receipt, build_hash
from instructify.exporting.run import Export, run_export, run_part
from instructify.exporting.selection import Selection, select

__all__ = [
    "Export",
    "ExportOptions",
    "NOTES",
    "PictureFolders",
    "Receipt",
    "Selection",
    "build_hash",
    "check_replaceable",
    "check_repository",
    "clear_pieces",
    "pieces_beside",
    "push_folder",
    "read_options",
    "run_export",
    "run_part",
    "select",
    "standing_of",
]
