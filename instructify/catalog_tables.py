"""Own data without Python: entries of a second catalog file that map a table's columns, or class folders, to a task.

An entry becomes a dataset like any other, with a release and a picture family of its own name. What the columns hold is
looked at by the reader `table`, not here.
"""

import re

from instructify.catalog_model import (
    Candidates,
    Catalog,
    Dataset,
    Family,
    RawFileSpec,
    Release,
    Split,
    Table,
)
from instructify.errors import did_you_mean
from instructify.yaml_lines import Node

FIELDS = (
    *("id", "picture", "question", "answer", "references", "choices", "choice_index"),
    *("context", "caption", "text", "ocr_tokens"),
)
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
# What a record of the form cannot do without; a question may also be the constant `question:`.
NEEDED_FIELDS: dict[str, tuple[str, ...]] = {
    "caption": ("answer",),
    "caption_set": ("references",),
    "open": ("question", "answer"),
    "binary": ("question", "answer"),
    "multiple_choice": ("question", "answer"),
    "question_generation": ("question", "answer"),
    "dialog": ("question", "answer"),
    "conversation": ("question", "answer"),
}
DEFAULT_QUESTION = "What is shown in the picture?"

_SPLIT = re.compile(r"[a-z0-9_]+")


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
    for kind, names in (
        ("dataset", catalog.datasets),
        ("release", catalog.releases),
        ("family", catalog.families),
    ):
        if name in names:
            raise node.error(
                f"'{name}' is already the name of a {kind} in the catalog; choose another"
            )
    task = catalog.tasks[fields["task"].choice(catalog.tasks)]
    form = fields["form"].choice(task.forms) if "form" in fields else _default_form(task.forms)
    table, splits = _table(fields["table"], form, classify=task.name == "image_classification")
    names_of_splits = tuple(split.name for split in splits)
    default_splits = (
        fields["default_splits"].texts() if "default_splits" in fields else names_of_splits
    )
    for split in default_splits:
        if split not in names_of_splits:
            raise fields["default_splits"].error(
                f"there is no split '{split}'; {did_you_mean(split, names_of_splits)}"
            )
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
        splits=splits,
        default_splits=default_splits,
        options={},
        forms={form: 1.0},
        candidates=_candidates(table, task.name, names_of_splits),
        max_rejects_percent=(
            fields["max_rejects_percent"].number(minimum=0, maximum=100)
            if "max_rejects_percent" in fields
            else 1.0
        ),
        note=fields["note"].text().strip() if "note" in fields else None,
        table=table,
    )


def own_release(dataset: Dataset) -> Release:
    """Make the release of the user's own files."""
    files = ", ".join(
        name for split in dataset.splits for spec in split.files for name in spec.names
    )
    return Release(
        name=dataset.release,
        title=dataset.title,
        home="your own data",
        licence="your own",
        get=f"Your own files below {{raw}}/{dataset.release}: {files}",
    )


def own_family(dataset: Dataset) -> Family:
    """Make the picture family of the user's own files: a key's name is the file name as the table gives it."""
    folder = dataset.table.pictures if dataset.table else ""
    pattern = f"{folder}/{{name}}" if folder else "{name}"
    return Family(
        name=dataset.release,
        media=dataset.media,
        patterns=(pattern,),
        folders=(dataset.release,),
        tars=(),
    )


def _default_form(forms: tuple[str, ...]) -> str:
    return "open" if "open" in forms else forms[0]


def _table(node: Node, form: str, *, classify: bool) -> tuple[Table, tuple[Split, ...]]:
    fields = node.fields(
        optional=(
            *("file", "files", "folder", "folders", "split", "columns", "pictures"),
            *("question", "classes", "separator"),
        )
    )
    kind, splits = _sources(node, fields)
    if kind == "folder" and not classify:
        raise node.error(
            "a folder of class folders suits the task image_classification alone; give a file"
        )
    question = (
        fields["question"].text()
        if "question" in fields
        else (DEFAULT_QUESTION if classify else None)
    )
    columns = _columns(node, fields, kind, form, question)
    return (
        Table(
            kind=kind,
            columns=columns,
            pictures=_folder(fields["pictures"]) if "pictures" in fields else "",
            question=None if "question" in columns else question,
            classes=tuple(sorted(fields["classes"].texts())) if "classes" in fields else (),
            separator=fields["separator"].text() if "separator" in fields else "|",
            form=form,
        ),
        splits,
    )


def _sources(node: Node, fields: dict[str, Node]) -> tuple[str, tuple[Split, ...]]:
    """Read the one of file, files, folder, folders that is given."""
    given = [key for key in ("file", "files", "folder", "folders") if key in fields]
    if len(given) != 1:
        raise node.error(
            f"'{node.path}' needs one of file, files, folder and folders; given: {len(given)}"
        )
    key = given[0]
    kind = "file" if key.startswith("file") else "folder"
    if key in ("files", "folders"):
        if "split" in fields:
            raise fields["split"].error(
                f"'split' goes with file or folder; the keys of '{key}' name the splits"
            )
        sources = list(fields[key].entries().items())
    else:
        sources = [(fields["split"].text() if "split" in fields else "train", fields[key])]
    if not sources:
        raise fields[key].error(f"'{fields[key].path}' names no split; give train: NAME")
    return kind, tuple(_split(split, value, kind) for split, value in sources)


def _split(name: str, node: Node, kind: str) -> Split:
    if not _SPLIT.fullmatch(name):
        raise node.error(f"'{name}' is no valid split; use small letters, digits and underscores")
    path = _folder(node)
    if kind == "file" and not path.endswith(SUFFIXES):
        raise node.error(f"'{path}' is no table that we read; allowed: {', '.join(SUFFIXES)}")
    spec = RawFileSpec(role=kind, names=(path,), optional=False)
    return Split(name=name, files=(spec,), expected=(), labelled=True)


def _folder(node: Node) -> str:
    """Read a path that stays below the folder of the release."""
    path = node.text().strip().rstrip("/")
    if (
        path.startswith(("/", "\\"))
        or ".." in re.split(r"[/\\]", path)
        or any(c in path for c in "{}*?[]")
    ):
        raise node.error(
            f"'{path}' must be a plain path below the dataset's own folder in the raw root"
        )
    return path


def _columns(
    node: Node, fields: dict[str, Node], kind: str, form: str, question: str | None
) -> dict[str, str]:
    if kind == "folder":
        if "columns" in fields:
            raise fields["columns"].error(
                "a folder of class folders has no columns; remove the key"
            )
        return {}
    if "columns" not in fields:
        raise node.error(
            f"key 'columns' is missing in '{node.path}'; give columns: {{picture: NAME, answer: NAME}}"
        )
    mapped = fields["columns"].fields(optional=FIELDS)
    columns = {field: column.text() for field, column in mapped.items()}
    for needed in ("picture", *NEEDED_FIELDS[form]):
        if needed not in columns and not (needed == "question" and question):
            raise fields["columns"].error(
                f"'{node.path}' maps no column to '{needed}', which the form {form} needs"
            )
    return columns


def _candidates(table: Table, task: str, splits: tuple[str, ...]) -> Candidates | None:
    if table.form == "multiple_choice" or "choices" in table.columns:
        return Candidates(kind="record")
    if task != "image_classification":
        return None
    if table.classes:
        return Candidates(kind="fixed", values=table.classes)
    return Candidates(kind="vocabulary", splits=splits)
