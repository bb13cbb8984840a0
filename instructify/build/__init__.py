"""Builds: made by `convert`, checked by `verify`, read by `Build`."""

from instructify.build.candidates import candidate_values
from instructify.build.check import check_build
from instructify.build.checked import check_writable
from instructify.build.commit import carry_out
from instructify.build.coverage import Coverage, CoverageCounter, sides_of, vocabulary_use
from instructify.build.effect_stage import unprinted_tokens
from instructify.build.effects import Covered, Effect, effects_of, idle_settings, unnamed_ocr
from instructify.build.engine import convert
from instructify.build.engine_options import STAGES, EngineOptions, Part, Stage, engine_options
from instructify.build.ledger import ledger_lines, read_ledger
from instructify.build.lock import write_lock
from instructify.build.manifest import (
    DatasetEntry,
    Manifest,
    PictureMode,
    RawSource,
    SplitEntry,
    content_key,
)
from instructify.build.opened import Build, ShardedTable, public_sample
from instructify.build.other_forms import forms_at_hand
from instructify.build.own_fields import absent_fields, fields_in, named_fields
from instructify.build.part_workers import PartDone, clear_noted, open_noted
from instructify.build.paths import MANIFEST, rejects_name
from instructify.build.progress import Progress
from instructify.build.raw import (
    LookedFor,
    RawRoots,
    RawSplit,
    check_raw_root,
    file_names,
    find_split,
    hash_source,
    how_to_get,
    look_for_files,
    option_values,
    reader_of,
    with_settings,
)
from instructify.build.records import repeated_hashes
from instructify.build.records_unit import (
    RecordsUnit,
    collector_paused,
    read_chunks,
    read_split,
)
from instructify.build.refusal import RejectsError
from instructify.build.request import (
    ConvertRequest,
    check_line,
    find_splits,
    ocr_side_file,
)
from instructify.build.rerender import retemplate
from instructify.build.samples import SAMPLES, SamplesSpec, SamplesUnit, run_samples
from instructify.build.state import SplitState
from instructify.build.unit_folder import private_folder, publish_folder
from instructify.build.workers import LocalWorkers, Workers, open_workers

__all__ = [
    "Build",
    "ConvertRequest",
    "Coverage",
    "CoverageCounter",
    "Covered",
    "DatasetEntry",
    "Effect",
    "EngineOptions",
    "LocalWorkers",
    "LookedFor",
    "MANIFEST",
    "Manifest",
    "Part",
    "PartDone",
    "PictureMode",
    "Progress",
    "RawRoots",
    "RawSource",
    "RawSplit",
    "RecordsUnit",
    "RejectsError",
    "SAMPLES",
    "STAGES",
    "SamplesSpec",
    "SamplesUnit",
    "ShardedTable",
    "SplitEntry",
    "SplitState",
    "Stage",
    "Workers",
    "absent_fields",
    "candidate_values",
    "carry_out",
    "check_build",
    "check_line",
    "check_raw_root",
    "check_writable",
    "clear_noted",
    "collector_paused",
    "content_key",
    "convert",
    "effects_of",
    "engine_options",
    "fields_in",
    "file_names",
    "find_split",
    "find_splits",
    "forms_at_hand",
    "hash_source",
    "how_to_get",
    "idle_settings",
    "ledger_lines",
    "look_for_files",
    "named_fields",
    "ocr_side_file",
    "open_noted",
    "open_workers",
    "option_values",
    "private_folder",
    "public_sample",
    "publish_folder",
    "read_chunks",
    "read_ledger",
    "read_split",
    "reader_of",
    "rejects_name",
    "repeated_hashes",
    "retemplate",
    "run_samples",
    "sides_of",
    "unnamed_ocr",
    "unprinted_tokens",
    "vocabulary_use",
    "with_settings",
    "write_lock",
]
