"""Own data without Python: files of many shapes, mapped to a task of ours or of the user's.

An entry of the user's file becomes a dataset like any other, with a release and a picture family of
its own name; what it says about its data becomes options of the reader `table`. That reader, not
this module, looks at the content of the columns.
"""

import json
from typing import NamedTuple

from instructify._util.yaml_lines import Node, Scalar
from instructify._util.yaml_typed import decode
from instructify.catalog.candidates import Candidates, read_candidates
from instructify.catalog.model import Catalog, Dataset, Family, Release, Task
from instructify.catalog.own_columns import FIELDS, TURNS, read_columns
from instructify.catalog.own_entry import OwnData, OwnEntry
from instructify.catalog.own_sources import is_archive, read_sources
from instructify.catalog.parts import each_of
from instructify.catalog.splits import Split

CLASSIFICATION = "image_classification"
DEFAULT_QUESTION = "What is shown in the picture?"
CAPTIONS = "captions"  # a record each to train on, a set for each picture to evaluate on
YOUR_OWN = "your own"


class _Data(NamedTuple):
    """What the key `data` says."""

    splits: tuple[Split, ...]
    options: dict[str, Scalar]
    forms: tuple[str, ...]
    classes: tuple[str, ...]
    has_choices: bool


def own_entry(node: Node, catalog: Catalog) -> OwnEntry:
    """Read one entry of the user's file."""
    tasks = catalog.tasks
    task = tasks[node.at("task").choice(tasks)] if "task" in node.entries() else None
    forms = () if task is None else task.forms
    names = {"tasks": tasks, "metrics": catalog.metrics, "forms": forms}
    return decode(OwnEntry, node, names=names)


def own_dataset(name: str, entry: OwnEntry, node: Node, catalog: Catalog) -> Dataset:
    """Make the dataset of an entry."""
    _check_new(name, node, catalog)
    task = catalog.tasks[entry.task]
    data = _data(_data_node(node, entry), task, entry)
    splits = tuple(split.name for split in data.splits)
    return Dataset(
        name=name,
        title=entry.title or name,
        task=task.name,
        role=entry.role,
        release=name,
        reader="table",
        media="video" if task.name == "video_qa" else "image",
        metric=entry.metric,
        families=(name,),
        splits=data.splits,
        default_splits=(
            splits if entry.default_splits is None else each_of(entry.default_splits, splits)
        ),
        options=data.options,
        forms=dict.fromkeys(data.forms, 1.0),
        candidates=(
            _candidates(data, task.name)
            if entry.candidates is None
            else read_candidates(entry.candidates, {"splits": splits})
        ),
        max_rejects_percent=entry.max_rejects_percent,
        note=entry.note,
    )


def own_release(dataset: Dataset, entry: OwnEntry, node: Node) -> Release:
    """Make the release of the user's own files."""
    files = [name for split in dataset.splits for spec in split.files for name in spec.names]
    shown = ", ".join(dict.fromkeys(files[:8])) + (", ..." if len(files) > 8 else "")
    return Release(
        name=dataset.release,
        title=dataset.title,
        home=entry.home or "your own data",
        licence=entry.licence or YOUR_OWN,
        get=f"Your own, below {{raw}}/{dataset.release}: {shown}{_hub_steps(node)}",
        citation=entry.citation,
    )


def own_family(dataset: Dataset) -> Family:
    """Make the picture family of the user's own files: the data gives the names."""
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
    """Return the name of a class folder, in which an underscore stands for a space."""
    return " ".join(folder.replace("_", " ").split())


def _check_new(name: str, node: Node, catalog: Catalog) -> None:
    taken = {"dataset": catalog.datasets, "release": catalog.releases, "family": catalog.families}
    for kind, names in taken.items():
        if name in names:
            raise node.error(f"'{name}' is already a {kind} of the catalog; choose another name")


def _data_node(node: Node, entry: OwnEntry) -> Node:
    """Return the value of `data`, which older files call `table`."""
    if entry.data is not None and entry.table is not None:
        raise entry.table.error("'table' and 'data' are one thing; keep 'data'")
    data = entry.data or entry.table
    if data is None:
        raise node.error(f"key 'data' is missing in '{node.path}'; it says where the data lies")
    return data


def _data(node: Node, task: Task, entry: OwnEntry) -> _Data:
    said = decode(OwnData, node)
    fields = node.entries()
    base = f"../{entry.raw}/" if entry.raw else ""
    sources = read_sources(node, fields, base)
    is_classification = task.name == CLASSIFICATION
    question = said.question or (DEFAULT_QUESTION if is_classification else "")
    in_folders = sources.is_folder and "columns" not in fields
    if in_folders:
        _check_folder(node, fields, task.name)
    names = map(class_name, said.classes) if in_folders else said.classes
    classes = tuple(sorted(set(names)))
    chosen = entry.form or _form(fields, said.kind, task.forms)
    constant = {field for field, given in (("question", question), ("choices", classes)) if given}
    _check_kind(fields, said.kind, task.forms, chosen)
    columns = {} if in_folders else read_columns(node, fields, said.kind, _needs(chosen), constant)
    return _Data(
        splits=sources.splits,
        options={
            "form": chosen,
            "kind": said.kind,
            "pictures": ", ".join(said.pictures),
            "cache": said.cache,
            "question": question,
            "classes": json.dumps(classes) if classes else "",
            "separator": said.separator,
            "split_by": sources.split_by,
            "key": said.key,
            "choice_base": said.choice_base,
            "text_only": said.text_only,
            "raw": entry.raw,
            "fields": json.dumps(said.fields) if said.fields else "",
            **{f"column_{field}": columns.get(field, "") for field in (*FIELDS, TURNS)},
        },
        forms=("caption", "caption_set") if chosen == CAPTIONS else (chosen,),
        classes=classes,
        has_choices=chosen == "multiple_choice" or "choices" in columns,
    )


def _form(fields: dict[str, Node], kind: str, forms: tuple[str, ...]) -> str:
    """Return the form of the records if the entry does not give it."""
    columns = fields["columns"].entries() if "columns" in fields else {}
    if "caption" in forms and "caption_set" in forms:
        several = "references" in columns or (kind == "coco" and "answer" not in columns)
        return CAPTIONS if several and "answer" not in columns else "caption"
    if "open" not in forms and "multiple_choice" in forms and "choices" in columns:
        return "multiple_choice"
    return "open" if "open" in forms else forms[0]


def _needs(form: str) -> str:
    """Return the form whose required columns hold for both forms of captions."""
    return "caption_set" if form == CAPTIONS else form


def _check_kind(fields: dict[str, Node], kind: str, forms: tuple[str, ...], form: str) -> None:
    if kind == "conversations" and form not in ("conversation", "dialog", "open"):
        raise fields["kind"].error(
            f"conversations become records of the forms conversation, dialog or open, not {form}; "
            f"choose a task that has one (llava_instruct), this one has {', '.join(forms)}"
        )
    if kind != "table" and any(key.startswith("folder") for key in fields):
        raise fields["kind"].error(f"folders hold no {kind}; remove the key, or give a file")


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
    """Describe how to fetch a dataset of the Hub, if a path is an address there."""
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
        return [text for value in values.values() for text in _texts(value)]
    if isinstance(values, list):
        return [text for value in values for text in _texts(value)]
    return [values] if isinstance(values, str) else []


def _candidates(data: _Data, task: str) -> Candidates | None:
    if data.has_choices:
        return Candidates(kind="record")
    if data.classes:
        return Candidates(kind="fixed", values=data.classes)
    if task != CLASSIFICATION:
        return None
    return Candidates(kind="vocabulary", splits=tuple(split.name for split in data.splits))
