"""Pictures and clips: where their files lie, what they hold, and the store that keeps each once.

The steps of a conversion, each cut into units that any process may run in any order:
`tars.plan_web`, `run_web`, `merge_web`: where img2dataset put which url;
`probing.plan_probe`, `run_probe`, then `index.gather`: what each wanted picture is;
`store.plan_store`, `check_space`, `run_store`: each new content once into shards;
`tables.write_index`: the index. `reading.PictureStore` reads the result.
"""

from instructify.pictures import tables
from instructify.pictures.checked import check_index, check_index_row, is_content
from instructify.pictures.decode import (
    DECODER_ERRORS,
    MAX_PIXELS,
    TooManyPixels,
    flatten,
    open_picture,
    to_rgb,
)
from instructify.pictures.header import SUFFIXES, Header, clip_header, picture_header
from instructify.pictures.index import Gathered, gather, load_known, save_seen
from instructify.pictures.keys import split_key
from instructify.pictures.locate import Locator
from instructify.pictures.packs import PackWriter, pack_scan
from instructify.pictures.perceptual import SIDE
from instructify.pictures.probe import DRAFT_SIZE, PictureFacts, probe_clip, probe_picture
from instructify.pictures.probing import Releases, first_found, plan_probe, run_probe, wanted_keys
from instructify.pictures.reading import PictureStore, StoredFacts
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
from instructify.pictures.store import StorePlan, check_space, plan_store, run_store
from instructify.pictures.tables import (
    PICTURE_INDEX_SCHEMA,
    PROBLEM_SCHEMA,
    STORE_SCHEMA,
    Known,
    read_index,
    validate,
)
from instructify.pictures.tars import WebMap, merge_web, plan_web, run_web
from instructify.pictures.video import ClipUnreadable, clip_format, frames

__all__ = [
    "ClipUnreadable",
    "DECODER_ERRORS",
    "DRAFT_SIZE",
    "Gathered",
    "Header",
    "Known",
    "LOCAL_FOLDER",
    "Location",
    "Locator",
    "MAX_CLIP_BYTES",
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "PICTURE_INDEX_SCHEMA",
    "PROBLEM_SCHEMA",
    "PackWriter",
    "PictureFacts",
    "PictureStore",
    "Problem",
    "Releases",
    "Roots",
    "SIDE",
    "STORE_SCHEMA",
    "SUFFIXES",
    "SourceReader",
    "StorePlan",
    "StoredFacts",
    "TooManyPixels",
    "WebMap",
    "check_index",
    "check_index_row",
    "check_roots",
    "check_space",
    "clip_format",
    "clip_header",
    "first_found",
    "flatten",
    "frames",
    "gather",
    "idle_folders",
    "is_content",
    "load_known",
    "load_roots",
    "merge_web",
    "open_picture",
    "pack_scan",
    "picture_header",
    "plan_probe",
    "plan_store",
    "plan_web",
    "probe_clip",
    "probe_picture",
    "read_index",
    "run_probe",
    "run_store",
    "run_web",
    "save_roots",
    "save_seen",
    "split_key",
    "tables",
    "to_rgb",
    "validate",
    "wanted_keys",
]
