"""A build in the shapes that other trainers read: LLaVA, chat messages, WebDataset, Parquet, Hub.

An export is derived: texts and picture bytes are those of the build, nothing is decoded or rendered
anew, and whatever a shape can't hold is counted by reason.
"""

from instructify.export.folder import check_replaceable, standing_of
from instructify.export.options import ExportOptions, PictureFolders, read_options
from instructify.export.push import check_repository, push_folder
from instructify.export.receipt import Receipt, build_hash
from instructify.export.run import Export, run_export
from instructify.export.selection import Selection, select

__all__ = [
    "Export",
    "ExportOptions",
    "PictureFolders",
    "Receipt",
    "Selection",
    "build_hash",
    "check_replaceable",
    "check_repository",
    "push_folder",
    "read_options",
    "run_export",
    "select",
    "standing_of",
]
