"""Load `catalog.yaml` into frozen dataclasses, with the user's own datasets on top.

Every reference is resolved here, so that nobody after this meets an unknown task, release, family
or metric. A mistake gives one sentence with file, line and the nearest valid name. Values of
options are judged by the readers.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from instructify._util.errors import did_you_mean
from instructify._util.resources import find
from instructify._util.yaml_lines import Node, Scalar, read_yaml
from instructify.catalog.model import (
    Catalog,
    Dataset,
    Expected,
    Family,
    Metric,
    RawFileSpec,
    Release,
    Split,
    Task,
)
from instructify.catalog.own_data import own_dataset, own_family, own_release
from instructify.catalog.parts import each_of, named, read_candidates, read_task

CATALOG_FORMAT = 1
_ROLES = ("held-in", "held-out")
_CLUSTERS = ("task-seen", "task-unseen")
_MEDIA = ("image", "video")
_KEEP: tuple[Literal["store", "reference"], ...] = ("store", "reference")


def load_catalog(path: Path | None = None, extra: Path | None = None) -> Catalog:
    """Load the catalog at `path` (None: ours) and add the user's own datasets of `extra`."""
    root = read_yaml(path if path is not None else find("catalog.yaml"))
    fields = root.fields(
        required=("format", "tasks", "metrics", "families", "releases", "datasets")
    )
    _check_format(fields["format"])
    known = Catalog(
        tasks={name: read_task(name, node) for name, node in named(fields["tasks"])},
        metrics={
            name: Metric(name=name, title=node.text()) for name, node in named(fields["metrics"])
        },
        families={name: _family(name, node) for name, node in named(fields["families"])},
        releases={name: _release(name, node) for name, node in named(fields["releases"])},
        datasets={},
    )
    datasets = {name: _dataset(name, node, known) for name, node in named(fields["datasets"])}
    catalog = Catalog(
        tasks=known.tasks,
        metrics=known.metrics,
        families=known.families,
        releases=known.releases,
        datasets=datasets,
    )
    return catalog if extra is None else _with_own(catalog, read_yaml(extra))


def _with_own(catalog: Catalog, root: Node) -> Catalog:
    """Add the tasks and datasets of a user's file; each dataset brings a release and a family."""
    fields = root.fields(required=("format", "datasets"), optional=("tasks",))
    _check_format(fields["format"])
    known = dataclasses.replace(catalog, tasks=_with_own_tasks(catalog, fields.get("tasks")))
    releases = dict(catalog.releases)
    families = dict(catalog.families)
    datasets = dict(catalog.datasets)
    for name, node in named(fields["datasets"]):
        dataset = own_dataset(name, node, known)
        releases[dataset.release] = own_release(dataset, node)
        families[dataset.release] = own_family(dataset)
        datasets[name] = dataset
    return dataclasses.replace(known, families=families, releases=releases, datasets=datasets)


def _with_own_tasks(catalog: Catalog, node: Node | None) -> dict[str, Task]:
    """Add the tasks of a user's file, whose templates the user brings."""
    tasks = dict(catalog.tasks)
    forms = sorted({form for task in catalog.tasks.values() for form in task.forms})
    for name, entry in named(node) if node is not None else ():
        if name in tasks:
            raise entry.error(f"'{name}' is already a task of the catalog; choose another name")
        task = read_task(name, entry)
        for form in task.forms:
            if form not in forms:
                raise entry.error(f"'{form}' is no form; {did_you_mean(form, forms)}")
        tasks[name] = task
    return tasks


def _check_format(node: Node) -> None:
    if node.value != CATALOG_FORMAT:
        raise node.error(
            f"format {node.value} is unknown; this version reads format {CATALOG_FORMAT}"
        )


def _release(name: str, node: Node) -> Release:
    fields = node.fields(required=("title", "home", "licence", "get"))
    return Release(
        name=name,
        title=fields["title"].text(),
        home=fields["home"].text(),
        licence=fields["licence"].text(),
        get=fields["get"].text().rstrip("\n"),
    )


def _family(name: str, node: Node) -> Family:
    fields = node.fields(required=("patterns", "folders"), optional=("media", "tars", "keep"))
    patterns = fields["patterns"].texts()
    for pattern in patterns:
        if pattern.count("{name}") != 1:
            raise fields["patterns"].error(f"the pattern '{pattern}' must hold {{name}} once")
        _check_relative(pattern, fields["patterns"])
    return Family(
        name=name,
        media=fields["media"].choice(_MEDIA) if "media" in fields else "image",
        patterns=patterns,
        folders=fields["folders"].texts(),
        tars=fields["tars"].texts() if "tars" in fields else (),
        keep=fields["keep"].choice(_KEEP) if "keep" in fields else "store",
    )


def _dataset(name: str, node: Node, known: Catalog) -> Dataset:
    fields = node.fields(
        required=(
            *(
                "title",
                "task",
                "role",
                "release",
                "reader",
                "families",
                "metric",
                "forms",
                "options",
            ),
            *("splits", "default_splits"),
        ),
        optional=("cluster", "media", "candidates", "max_rejects_percent", "note"),
    )
    task = known.tasks[fields["task"].choice(known.tasks)]
    role = fields["role"].choice(_ROLES)
    options = {option: value.scalar() for option, value in named(fields["options"])}
    splits = tuple(_split(split, value, options) for split, value in named(fields["splits"]))
    names = tuple(split.name for split in splits)
    return Dataset(
        name=name,
        title=fields["title"].text(),
        task=task.name,
        role=role,
        cluster=_cluster(node, fields, role),
        release=fields["release"].choice(known.releases),
        reader=fields["reader"].text(),
        media=fields["media"].choice(_MEDIA) if "media" in fields else "image",
        metric=None if fields["metric"].is_null else fields["metric"].choice(known.metrics),
        families=each_of(fields["families"], known.families),
        splits=splits,
        default_splits=each_of(fields["default_splits"], names),
        options=options,
        forms=_forms(fields["forms"], task),
        candidates=read_candidates(fields["candidates"], names) if "candidates" in fields else None,
        max_rejects_percent=(
            fields["max_rejects_percent"].number(minimum=0, maximum=100)
            if "max_rejects_percent" in fields
            else 1.0
        ),
        note=fields["note"].text().strip() if "note" in fields else None,
    )


def _cluster(node: Node, fields: Mapping[str, Node], role: str) -> str | None:
    if role == "held-out":
        if "cluster" not in fields:
            raise node.error(
                f"'{node.path}' is held-out and needs a cluster: {' or '.join(_CLUSTERS)}"
            )
        return fields["cluster"].choice(_CLUSTERS)
    if "cluster" in fields:
        raise fields["cluster"].error(
            f"'{node.path}' is held-in and has no cluster; remove the key"
        )
    return None


def _forms(node: Node, task: Task) -> dict[str, float]:
    forms = {
        form: factor.number(minimum=0, maximum=1000) for form, factor in node.entries().items()
    }
    for form in forms:
        if form not in task.forms:
            entry = node.entries()[form]
            raise entry.error(
                f"'{form}' is no form of {task.name}; {did_you_mean(form, task.forms)}"
            )
    if not forms:
        raise node.error(f"'{node.path}' names no form; {did_you_mean('', task.forms)}")
    return forms


def _split(name: str, node: Node, options: Mapping[str, Scalar]) -> Split:
    fields = node.fields(optional=("files", "optional", "expected", "labelled"))
    specs: dict[str, RawFileSpec] = {}
    for key in ("files", "optional"):
        for role, value in named(fields[key]) if key in fields else ():
            if role in specs:
                raise value.error(
                    f"the file '{role}' of '{node.path}' is both required and optional; keep one"
                )
            specs[role] = _file(role, value, options, optional=key == "optional")
    if not specs:
        raise node.error(f"'{node.path}' names no file; give files: {{role: name}}")
    return Split(
        name=name,
        files=tuple(specs.values()),
        expected=_expected(fields["expected"], options) if "expected" in fields else (),
        labelled=fields["labelled"].boolean() if "labelled" in fields else True,
    )


def _file(role: str, node: Node, options: Mapping[str, Scalar], *, optional: bool) -> RawFileSpec:
    spec = RawFileSpec(role=role, names=node.texts(), optional=optional)
    for file_name in spec.names:
        # A sibling release may own the file: TextVQA's OCR serves TextCaps.
        _check_relative(file_name.removeprefix("../"), node)
    for option in spec.placeholders():
        if option not in options:
            raise node.error(
                f"'{{{option}}}' is no option of the dataset; {did_you_mean(option, options)}"
            )
    return spec


def _check_relative(file_name: str, node: Node) -> None:
    if (
        file_name.startswith(("/", "\\"))
        or ".." in re.split(r"[/\\]", file_name)
        or ":" in file_name
    ):
        raise node.error(
            f"'{file_name}' leads out of the raw root; give a name below the release's folder"
        )


def _expected(node: Node, options: Mapping[str, Scalar]) -> tuple[Expected, ...]:
    found = []
    for entry in node.items() if node.is_list else [node]:
        fields = entry.fields(optional=("when", "records", "pictures", "exact"))
        when: dict[str, tuple[Scalar, ...]] = {}
        for option, value in fields["when"].entries().items() if "when" in fields else ():
            if option not in options:
                raise value.error(
                    f"'{option}' is no option of the dataset; {did_you_mean(option, options)}"
                )
            when[option] = (
                tuple(v.scalar() for v in value.items()) if value.is_list else (value.scalar(),)
            )
        found.append(
            Expected(
                records=fields["records"].integer(minimum=1) if "records" in fields else None,
                pictures=fields["pictures"].integer(minimum=1) if "pictures" in fields else None,
                exact=fields["exact"].boolean() if "exact" in fields else True,
                when=when,
            )
        )
    return tuple(found)
