"""Own data in the shapes that people hold, written by the libraries that own the shapes.

Each maker fills the folder of one dataset and returns what its records must say, in order of their
ids: (question, answer) with further fields where the shape is about them. The entries stand in
docs/own-data.md.
"""

import shapes_of_coco
import shapes_of_conversations
import shapes_of_hub
import shapes_of_tables
from shape_files import MAKERS, Maker, Said, dump, dump_csv, dump_lines, photos, picture

__all__ = [
    "MAKERS",
    "Maker",
    "Said",
    "dump",
    "dump_csv",
    "dump_lines",
    "photos",
    "picture",
    "shapes_of_coco",
    "shapes_of_conversations",
    "shapes_of_hub",
    "shapes_of_tables",
]
