"""Builds: made by `convert`, checked by `verify`, read by `Build`."""

from instructify.build.check import check_build
from instructify.build.commit import carry_out
from instructify.build.engine import RejectsError, convert
from instructify.build.ledger import ledger_lines, read_ledger
from instructify.build.lock import write_lock
from instructify.build.manifest import DatasetEntry, Manifest, RawSource, SplitEntry, content_key
from instructify.build.opened import Build, ShardedTable, public_sample
from instructify.build.paths import MANIFEST, rejects_name
from instructify.build.progress import Progress
from instructify.build.raw import (
    LookedFor,
    RawRoots,
    RawSplit,
    check_raw_root,
    find_split,
    hash_source,
    how_to_get,
    look_for_files,
    read_context,
    reader_of,
    with_settings,
)
from instructify.build.records import RecordsUnit, collector_paused, read_chunks, repeated_hashes
from instructify.build.request import ConvertRequest, PictureMode, check_line
from instructify.build.rerender import retemplate
from instructify.build.samples import SAMPLES, SamplesSpec, SamplesUnit, run_samples
from instructify.build.state import SplitState
from instructify.build.workers import Workers, open_workers

__all__ = [
    "Build",
    "ConvertRequest",
    "DatasetEntry",
    "LookedFor",
    "MANIFEST",
    "Manifest",
    "PictureMode",
    "Progress",
    "RawRoots",
    "RawSource",
    "RawSplit",
    "RecordsUnit",
    "RejectsError",
    "SAMPLES",
    "SamplesSpec",
    "SamplesUnit",
    "ShardedTable",
    "SplitEntry",
    "SplitState",
    "Workers",
    "carry_out",
    "check_build",
    "check_line",
    "check_raw_root",
    "collector_paused",
    "content_key",
    "convert",
    "find_split",
    "hash_source",
    "how_to_get",
    "ledger_lines",
    "look_for_files",
    "open_workers",
    "public_sample",
    "read_chunks",
    "read_context",
    "read_ledger",
    "reader_of",
    "rejects_name",
    "repeated_hashes",
    "retemplate",
    "run_samples",
    "with_settings",
    "write_lock",
]
