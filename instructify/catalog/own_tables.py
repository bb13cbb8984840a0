"""Own data without Python: map the columns of a table, or class folders, to a task of ours.

An entry of the user's file becomes a dataset like any other, with a release and a picture family of
its own name; what it says of its columns becomes options of the reader `table`. What the columns
really hold is found out by that reader, not here.
"""

import json
import re
from typing import NamedTuple

from instructify._util.errors import did_you_mean
from instructify._util.yaml_lines import Node, Scalar
from instructify.catalog.model import (
    Candidates,
    Catalog,
    Dataset,
    Family,
    RawFileSpec,
    Release,
    Split,
)

FIELDS = (
    "id",
    "picture",
    "question",
    "answer",
    "references",
    "choices",
    "choice_index",
    "context",
    "caption",
    "text",
    "ocr_tokens",
    "history",
)
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
_PACKED_SUFFIXES = tuple(
    f"{suffix}{packed}" for suffix in SUFFIXES[:-1] for packed in (".gz", ".zst", ".bz2")
)
# What a record of a form cannot do without, any one of each group. A question may be the constant
# `question:` instead, choices may be `classes:`.
NEEDED_FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "caption": (("answer",),),
    "caption_set": (("references",),),
    "open": (("question",), ("answer", "references")),
    "binary": (("question",), ("answer",)),
    "multiple_choice": (("question",), ("choices",), ("answer", "choice_index")),
    "question_generation": (("question",), ("answer",)),
    "dialog": (("question",), ("answer",)),
    "conversation": (("question",), ("answer",)),
}
CLASSIFICATION = "image_classification"
DEFAULT_QUESTION = "What is shown in the picture?"

_SPLIT = re.compile(r"[a-z0-9_]+")


class _Table(NamedTuple):
    """What the key `table` says."""

    kind: str  # file | folder
    splits: tuple[Split, ...]
    columns: dict[str, str]  # field of a record => column
    pictures: str
    question: str | None
    classes: tuple[str, ...]
    separator: str


def own_dataset(name: str, node: Node, catalog: Catalog) -> Dataset:
    """Read one entry of the user's file."""
    fields = node.fields(
        required=("task", "table"),
        optional=(
            "title",
            "role",
            "metric",
            "form",
            "default_splits",
            "max_rejects_percent",
            "note",
        ),
    )
    _check_new(name, node, catalog)
    task = catalog.tasks[fields["task"].choice(catalog.tasks)]
    form = _form(fields, task.forms)
    table = _table(fields["table"], task.name, form)
    splits = tuple(split.name for split in table.splits)
    percent = fields.get("max_rejects_percent")
    return Dataset(
        name=name,
        title=fields["title"].text() if "title" in fields else name,
        task=task.name,
        role=fields["role"].choice(("held-in", "held-out")) if "role" in fields else "held-in",
        cluster=None,
        release=name,
        reader="table",
        media="video" if task.name == "video_qa" else "image",
        metric=fields["metric"].choice(catalog.metrics) if "metric" in fields else None,
        families=(name,),
        splits=table.splits,
        default_splits=_default_splits(fields, splits),
        options=_options(table, form),
        forms={form: 1.0},
        candidates=_candidates(table, task.name, form),
        max_rejects_percent=1.0 if percent is None else percent.number(minimum=0, maximum=100),
        note=fields["note"].text().strip() if "note" in fields else None,
    )


def own_release(dataset: Dataset) -> Release:
    """Make the release of the user's own files."""
    files = [name for split in dataset.splits for spec in split.files for name in spec.names]
    return Release(
        name=dataset.release,
        title=dataset.title,
        home="your own data",
        licence="your own",
        get=f"Your own, below {{raw}}/{dataset.release}: {', '.join(files)}",
    )


def own_family(dataset: Dataset) -> Family:
    """Make the picture family of the user's own files: a name is what the table says."""
    folder = dataset.options["pictures"]
    return Family(
        name=dataset.release,
        media=dataset.media,
        patterns=(f"{folder}/{{name}}" if folder else "{name}",),
        folders=(dataset.release,),
        tars=(),
    )


def class_name(folder: str) -> str:
    """Read the name of a class folder, in which an underscore stands for a blank."""
    return " ".join(folder.replace("_", " ").split())


def _check_new(name: str, node: Node, catalog: Catalog) -> None:
    taken = {"dataset": catalog.datasets, "release": catalog.releases, "family": catalog.families}
    for kind, names in taken.items():
        if name in names:
            raise node.error(f"'{name}' is already a {kind} of the catalog; choose another name")


def _form(fields: dict[str, Node], forms: tuple[str, ...]) -> str:
    if "form" in fields:
        return fields["form"].choice(forms)
    return "open" if "open" in forms else forms[0]


def _default_splits(fields: dict[str, Node], splits: tuple[str, ...]) -> tuple[str, ...]:
    if "default_splits" not in fields:
        return splits
    node = fields["default_splits"]
    for split in node.texts():
        if split not in splits:
            raise node.error(f"there is no split '{split}'; {did_you_mean(split, splits)}")
    return node.texts()


def _options(table: _Table, form: str) -> dict[str, Scalar]:
    """Say the entry in options, so that it stands in the manifest and in the cache keys."""
    options: dict[str, Scalar] = {
        "form": form,
        "pictures": table.pictures,
        "question": table.question or "",
        "classes": json.dumps(table.classes) if table.classes else "",
        "separator": table.separator,
    }
    return options | {f"column_{field}": table.columns.get(field, "") for field in FIELDS}


def _table(node: Node, task: str, form: str) -> _Table:
    fields = node.fields(
        optional=(
            *("file", "files", "folder", "folders", "split"),
            *("columns", "pictures", "question", "classes", "separator"),
        )
    )
    kind, splits = _sources(node, fields)
    if kind == "folder":
        _check_folder(node, fields, task)
    question = fields["question"].text() if "question" in fields else None
    if question is None and task == CLASSIFICATION:
        question = DEFAULT_QUESTION
    classes = fields["classes"].texts() if "classes" in fields else ()
    if kind == "folder":
        classes = tuple(class_name(folder) for folder in classes)
    constant = {field for field, given in (("question", question), ("choices", classes)) if given}
    return _Table(
        kind=kind,
        splits=splits,
        columns=_columns(node, fields, form, constant) if kind == "file" else {},
        pictures=_path(fields["pictures"]) if "pictures" in fields else "",
        question=question,
        classes=tuple(sorted(set(classes))),
        separator=fields["separator"].text() if "separator" in fields else "|",
    )


def _check_folder(node: Node, fields: dict[str, Node], task: str) -> None:
    if task != CLASSIFICATION:
        raise node.error(f"class folders suit the task {CLASSIFICATION} alone; give a file instead")
    for key in ("columns", "pictures", "separator"):
        if key in fields:
            raise fields[key].error(f"class folders have no '{key}'; remove the key")


def _sources(node: Node, fields: dict[str, Node]) -> tuple[str, tuple[Split, ...]]:
    """Read the one of file, files, folder, folders that is given."""
    given = [key for key in ("file", "files", "folder", "folders") if key in fields]
    if len(given) != 1:
        stated = " and ".join(given) or "none"
        raise node.error(
            f"'{node.path}' needs one of file, files, folder, folders; given: {stated}"
        )
    key = given[0]
    kind = "file" if key.startswith("file") else "folder"
    if key == kind:
        split = fields["split"].text() if "split" in fields else "train"
        return kind, (_split(split, fields[key], kind),)
    if "split" in fields:
        raise fields["split"].error(f"the keys of '{key}' name the splits; remove 'split'")
    if not fields[key].entries():
        raise fields[key].error(f"'{fields[key].path}' names no split; give train: NAME")
    return kind, tuple(_split(name, at, kind) for name, at in fields[key].entries().items())


def _split(name: str, node: Node, kind: str) -> Split:
    if not _SPLIT.fullmatch(name):
        raise node.error(f"'{name}' is no valid split; use small letters, digits and underscores")
    path = _path(node)
    if kind == "file" and not path.endswith((*SUFFIXES, *_PACKED_SUFFIXES)):
        allowed = f"{', '.join(SUFFIXES)}, and text packed as .gz, .zst or .bz2"
        raise node.error(f"'{path}' is no table that we read; allowed: {allowed}")
    spec = RawFileSpec(role=kind, names=(path,), optional=False)
    return Split(name=name, files=(spec,), expected=(), labelled=True)


def _path(node: Node) -> str:
    """Read a path that stays below the folder of the release."""
    path = node.text().strip().rstrip("/")
    outside = path.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", path)
    if not path or outside or any(letter in path for letter in "{}*?[]:"):
        raise node.error(
            f"'{path}' must be a plain path below the dataset's folder of the raw root"
        )
    return path


def _columns(node: Node, fields: dict[str, Node], form: str, constant: set[str]) -> dict[str, str]:
    """Read which column holds which field; `constant` are the fields that need no column."""
    if "columns" not in fields:
        raise node.error(
            f"key 'columns' is missing in '{node.path}'; map picture and answer at least"
        )
    mapped = fields["columns"].fields(optional=FIELDS)
    columns = {field: column.text() for field, column in mapped.items()}
    for group in (("picture",), *NEEDED_FIELDS[form]):
        if not any(field in columns or field in constant for field in group):
            other = "; or list them all under 'classes'" if "choices" in group else ""
            raise fields["columns"].error(
                f"'{node.path}' maps no column to {' or '.join(group)}, which the form {form} needs"
                f"{other}"
            )
    return columns


def _candidates(table: _Table, task: str, form: str) -> Candidates | None:
    if form == "multiple_choice" or "choices" in table.columns:
        return Candidates(kind="record")
    if table.classes:
        return Candidates(kind="fixed", values=table.classes)
    if task != CLASSIFICATION:
        return None
    return Candidates(kind="vocabulary", splits=tuple(split.name for split in table.splits))
