"""Own data without Python: files of many shapes, mapped to a task of ours or of the user's.

An entry of the user's file becomes a dataset like any other, with a release and a picture family of
its own name; what it says of its data becomes options of the reader `table`. What the columns
really hold is found out by that reader, not here.
"""

import json
from typing import NamedTuple

from instructify._util.yaml_lines import Node, Scalar
from instructify.catalog.model import Candidates, Catalog, Dataset, Family, Release, Split
from instructify.catalog.own_columns import FIELDS, KINDS, TURNS, read_columns, read_own_fields
from instructify.catalog.own_sources import is_archive, plain_path, read_sources
from instructify.catalog.parts import each_of, read_candidates

CLASSIFICATION = "image_classification"
DEFAULT_QUESTION = "What is shown in the picture?"
CAPTIONS = "captions"  # a record each to train on, a set for each picture to evaluate on
YOUR_OWN = "your own"

_ENTRY_KEYS = (
    *("data", "table", "raw", "title", "role", "metric", "form", "default_splits"),
    *("max_rejects_percent", "note", "licence", "home", "citation", "candidates"),
)
_DATA_KEYS = (
    *("kind", "file", "files", "folder", "folders", "split", "key", "columns", "pictures", "cache"),
    *("question", "classes", "separator", "choice_base", "text_only", "fields"),
)


class _Data(NamedTuple):
    """What the key `data` says."""

    splits: tuple[Split, ...]
    options: dict[str, Scalar]
    forms: tuple[str, ...]
    classes: tuple[str, ...]
    has_choices: bool


def own_dataset(name: str, node: Node, catalog: Catalog) -> Dataset:
    """Read one entry of the user's file."""
    fields = node.fields(required=("task",), optional=_ENTRY_KEYS)
    _check_new(name, node, catalog)
    task = catalog.tasks[fields["task"].choice(catalog.tasks)]
    form = fields["form"].choice(task.forms) if "form" in fields else None
    data = _data(_data_node(node, fields), task.name, task.forms, form, _base(fields))
    splits = tuple(split.name for split in data.splits)
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
        splits=data.splits,
        default_splits=(
            each_of(fields["default_splits"], splits) if "default_splits" in fields else splits
        ),
        options=data.options,
        forms=dict.fromkeys(data.forms, 1.0),
        candidates=(
            read_candidates(fields["candidates"], splits)
            if "candidates" in fields
            else _candidates(data, task.name)
        ),
        max_rejects_percent=1.0 if percent is None else percent.number(minimum=0, maximum=100),
        note=fields["note"].text().strip() if "note" in fields else None,
    )


def own_release(dataset: Dataset, node: Node) -> Release:
    """Make the release of the user's own files."""
    fields = node.entries()
    files = [name for split in dataset.splits for spec in split.files for name in spec.names]
    shown = ", ".join(dict.fromkeys(files[:8])) + (", ..." if len(files) > 8 else "")
    return Release(
        name=dataset.release,
        title=dataset.title,
        home=fields["home"].text() if "home" in fields else "your own data",
        licence=fields["licence"].text() if "licence" in fields else YOUR_OWN,
        get=f"Your own, below {{raw}}/{dataset.release}: {shown}{_hub_steps(node)}",
        citation=fields["citation"].text().strip() if "citation" in fields else None,
    )


def own_family(dataset: Dataset) -> Family:
    """Make the picture family of the user's own files: a name is what the data says."""
    folder = str(dataset.options["pictures"])
    cache = str(dataset.options["cache"])
    base = str(dataset.options["raw"]) or dataset.release
    inside = folder and not is_archive(folder)
    return Family(
        name=dataset.release,
        media=dataset.media,
        patterns=(f"{folder}/{{name}}",) if inside else ("{name}",),
        folders=(base,),
        tars=(f"{cache}/*.tar",) if cache else (),
        embedded=True,
    )


def class_name(folder: str) -> str:
    """Read the name of a class folder, in which an underscore stands for a blank."""
    return " ".join(folder.replace("_", " ").split())


def _check_new(name: str, node: Node, catalog: Catalog) -> None:
    taken = {"dataset": catalog.datasets, "release": catalog.releases, "family": catalog.families}
    for kind, names in taken.items():
        if name in names:
            raise node.error(f"'{name}' is already a {kind} of the catalog; choose another name")


def _data_node(node: Node, fields: dict[str, Node]) -> Node:
    """Return what `data` says; `table` is its name in older files."""
    given = [key for key in ("data", "table") if key in fields]
    if not given:
        raise node.error(f"key 'data' is missing in '{node.path}'; it says where the data lies")
    if len(given) > 1:
        raise fields["table"].error("'table' and 'data' are one thing; keep 'data'")
    return fields[given[0]]


def _base(fields: dict[str, Node]) -> str:
    """Say what the paths begin with, where the data lies in a folder of another name."""
    return f"../{plain_path(fields['raw'], fields['raw'].text())}/" if "raw" in fields else ""


def _data(node: Node, task: str, forms: tuple[str, ...], form: str | None, base: str) -> _Data:
    fields = node.fields(optional=_DATA_KEYS)
    kind = fields["kind"].choice(KINDS) if "kind" in fields else "table"
    sources = read_sources(node, fields, base)
    question = fields["question"].text() if "question" in fields else None
    if question is None and task == CLASSIFICATION:
        question = DEFAULT_QUESTION
    classes = fields["classes"].texts() if "classes" in fields else ()
    in_folders = sources.is_folder and "columns" not in fields
    if in_folders:
        _check_folder(node, fields, task)
        classes = tuple(class_name(folder) for folder in classes)
    classes = tuple(sorted(set(classes)))
    chosen = _form(fields, form, forms)
    constant = {field for field, given in (("question", question), ("choices", classes)) if given}
    _check_kind(fields, kind, forms, chosen)
    columns = {} if in_folders else read_columns(node, fields, kind, _needs(chosen), constant)
    options: dict[str, Scalar] = {
        "form": chosen,
        "kind": kind,
        "pictures": plain_path(fields["pictures"], fields["pictures"].text())
        if "pictures" in fields
        else "",
        "cache": plain_path(fields["cache"], fields["cache"].text()) if "cache" in fields else "",
        "question": question or "",
        "classes": json.dumps(classes) if classes else "",
        "separator": fields["separator"].text() if "separator" in fields else "|",
        "split_by": sources.split_by,
        "key": fields["key"].text() if "key" in fields else "",
        "choice_base": _choice_base(fields),
        "text_only": fields["text_only"].boolean() if "text_only" in fields else False,
        "raw": base.removeprefix("../").rstrip("/"),
        "fields": json.dumps(read_own_fields(fields["fields"])) if "fields" in fields else "",
    }
    options |= {f"column_{field}": columns.get(field, "") for field in (*FIELDS, TURNS)}
    return _Data(
        splits=sources.splits,
        options=options,
        forms=("caption", "caption_set") if chosen == CAPTIONS else (chosen,),
        classes=classes,
        has_choices=chosen == "multiple_choice" or "choices" in columns,
    )


def _form(fields: dict[str, Node], form: str | None, forms: tuple[str, ...]) -> str:
    """Decide the form of the records where the entry does not say it."""
    if form is not None:
        return form
    columns = fields["columns"].entries() if "columns" in fields else {}
    kind = fields["kind"].value if "kind" in fields else "table"
    if "caption" in forms and "caption_set" in forms:
        several = "references" in columns or (kind == "coco" and "answer" not in columns)
        return CAPTIONS if several and "answer" not in columns else "caption"
    if "open" not in forms and "multiple_choice" in forms and "choices" in columns:
        return "multiple_choice"
    return "open" if "open" in forms else forms[0]


def _needs(form: str) -> str:
    """Name the form whose needs stand for both forms of captions."""
    return "caption_set" if form == CAPTIONS else form


def _check_kind(fields: dict[str, Node], kind: str, forms: tuple[str, ...], form: str) -> None:
    if kind == "conversations" and form not in ("conversation", "dialog", "open"):
        raise fields["kind"].error(
            f"conversations become records of the forms conversation, dialog or open, not {form}; "
            f"choose a task that has one (llava_instruct), this one has {', '.join(forms)}"
        )
    if kind != "table" and any(key.startswith("folder") for key in fields):
        raise fields["kind"].error(f"folders hold no {kind}; remove the key, or give a file")


def _choice_base(fields: dict[str, Node]) -> int:
    if "choice_base" not in fields:
        return 0
    base = fields["choice_base"].integer()
    if base > 1:
        raise fields["choice_base"].error("'choice_base' is 0 or 1: where the numbers begin")
    return base


def _check_folder(node: Node, fields: dict[str, Node], task: str) -> None:
    if task != CLASSIFICATION:
        raise node.error(
            f"class folders suit the task {CLASSIFICATION} alone; give a file instead, or with "
            "'columns' a folder that holds metadata.csv or metadata.jsonl"
        )
    for key in ("pictures", "separator", "choice_base", "key", "text_only", "cache", "fields"):
        if key in fields:
            raise fields[key].error(f"class folders have no '{key}'; remove the key")


def _hub_steps(node: Node) -> str:
    """Say how to fetch a dataset of the Hub, where a path is an address of it."""
    fields = node.entries()
    data = (fields.get("data") or fields["table"]).entries()
    for key in ("file", "files", "folder", "folders"):
        value = data[key].value if key in data else None
        for text in [value] if isinstance(value, str) else _texts(data[key]) if value else []:
            if text.startswith("hf://datasets/"):
                repo = "/".join(text.removeprefix("hf://datasets/").split("/")[:2])
                return (
                    f"\nhf download {repo.partition('@')[0]} --repo-type dataset "
                    f"--local-dir {{raw}}/{node.path.rpartition('.')[2]}"
                )
    return ""


def _texts(node: Node) -> list[str]:
    values = node.value
    if isinstance(values, dict):
        return [text for one in values.values() for text in _texts(one)]
    if isinstance(values, list):
        return [text for one in values for text in _texts(one)]
    return [values] if isinstance(values, str) else []


def _candidates(data: _Data, task: str) -> Candidates | None:
    if data.has_choices:
        return Candidates(kind="record")
    if data.classes:
        return Candidates(kind="fixed", values=data.classes)
    if task != CLASSIFICATION:
        return None
    return Candidates(kind="vocabulary", splits=tuple(split.name for split in data.splits))
