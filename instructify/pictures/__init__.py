"""Pictures and clips: where their files are, what they hold, and the store that keeps each once.

`passes.py` has the steps of a conversion: `find_pictures`, `plan_storing`, `store_pictures`. Each
step is cut into units that any process may run in any order. `reading.PictureStore` reads the
result.
"""

from instructify.pictures.checked import (
    check_index,
    check_index_row,
    count_other_contents,
    is_content,
    stored_hashes,
)
from instructify.pictures.decode import (
    DECODER_ERRORS,
    MAX_PIXELS,
    TooManyPixels,
    flatten,
    open_picture,
    to_rgb,
)
from instructify.pictures.header import SUFFIXES, Header, clip_header, picture_header
from instructify.pictures.key_order import MOST_PARTS
from instructify.pictures.keys import split_key
from instructify.pictures.known import KnownFiles, keep_notes
from instructify.pictures.locate import Locator
from instructify.pictures.notes import NO_PICTURES, Notes, SplitPictures, read_notes
from instructify.pictures.packs import PackWriter, pack_scan
from instructify.pictures.passes import (
    FoundPictures,
    PicturesWanted,
    StoredPictures,
    StorePlan,
    find_pictures,
    list_keys,
    note_problems,
    plan_storing,
    store_pictures,
)
from instructify.pictures.perceptual import SIDE
from instructify.pictures.probe import DRAFT_SIZE, PictureFacts, probe_clip, probe_picture
from instructify.pictures.reading import PictureStore, StoredFacts
from instructify.pictures.releases import Releases, first_found, wanted_keys
from instructify.pictures.roots import (
    LOCAL_FOLDER,
    Location,
    Roots,
    check_roots,
    idle_folders,
    load_roots,
    save_roots,
)
from instructify.pictures.sources import MAX_CLIP_BYTES, MAX_PICTURE_BYTES, Problem, SourceReader
from instructify.pictures.store import check_space, needed_bytes, staged_bytes
from instructify.pictures.tables import (
    PICTURE_INDEX_SCHEMA,
    PROBLEM_SCHEMA,
    STORE_SCHEMA,
    read_index,
    read_indices,
    validate,
)
from instructify.pictures.tars import WebMap, merge_web, plan_web, run_web
from instructify.pictures.video import ClipUnreadable, clip_format, frames
from instructify.pictures.wanted import RecordShard

__all__ = [
    "ClipUnreadable",
    "DECODER_ERRORS",
    "DRAFT_SIZE",
    "FoundPictures",
    "Header",
    "KnownFiles",
    "LOCAL_FOLDER",
    "Location",
    "Locator",
    "MAX_CLIP_BYTES",
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "MOST_PARTS",
    "NO_PICTURES",
    "Notes",
    "PICTURE_INDEX_SCHEMA",
    "PROBLEM_SCHEMA",
    "PackWriter",
    "PictureFacts",
    "PictureStore",
    "PicturesWanted",
    "Problem",
    "RecordShard",
    "Releases",
    "Roots",
    "SIDE",
    "STORE_SCHEMA",
    "SUFFIXES",
    "SourceReader",
    "SplitPictures",
    "StorePlan",
    "StoredFacts",
    "StoredPictures",
    "TooManyPixels",
    "WebMap",
    "check_index",
    "check_index_row",
    "check_roots",
    "check_space",
    "clip_format",
    "clip_header",
    "count_other_contents",
    "find_pictures",
    "first_found",
    "flatten",
    "frames",
    "idle_folders",
    "is_content",
    "keep_notes",
    "list_keys",
    "load_roots",
    "merge_web",
    "needed_bytes",
    "note_problems",
    "open_picture",
    "pack_scan",
    "picture_header",
    "plan_storing",
    "plan_web",
    "probe_clip",
    "probe_picture",
    "read_index",
    "read_indices",
    "read_notes",
    "run_web",
    "save_roots",
    "split_key",
    "staged_bytes",
    "store_pictures",
    "stored_hashes",
    "to_rgb",
    "validate",
    "wanted_keys",
]
