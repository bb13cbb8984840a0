"""Load `catalog.yaml` into frozen dataclasses, with the user's own datasets on top.

Every reference is resolved here, so that nobody after this meets an unknown task, release, family
or metric. A mistake gives one sentence with file, line and the nearest valid name. Values of
options are judged by the readers.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from instructify._util.errors import did_you_mean
from instructify._util.resources import find
from instructify._util.yaml_lines import Node, Scalar, read_yaml
from instructify.catalog.model import (
    Candidates,
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
from instructify.catalog.own_tables import own_dataset, own_family, own_release

CATALOG_FORMAT = 1
_ROLES = ("held-in", "held-out")
_CLUSTERS = ("task-seen", "task-unseen")
_MEDIA = ("image", "video")
_KEEP: tuple[Literal["store", "reference"], ...] = ("store", "reference")
_NAME = re.compile(r"[a-z0-9_]+")


def load_catalog(path: Path | None = None, extra: Path | None = None) -> Catalog:
    """Load the catalog at `path` (None: ours) and add the user's own datasets of `extra`."""
    root = read_yaml(path if path is not None else find("catalog.yaml"))
    fields = root.fields(
        required=("format", "tasks", "metrics", "families", "releases", "datasets")
    )
    _check_format(fields["format"])
    known = Catalog(
        tasks={name: _task(name, node) for name, node in _named(fields["tasks"])},
        metrics={
            name: Metric(name=name, title=node.text()) for name, node in _named(fields["metrics"])
        },
        families={name: _family(name, node) for name, node in _named(fields["families"])},
        releases={name: _release(name, node) for name, node in _named(fields["releases"])},
        datasets={},
    )
    datasets = {name: _dataset(name, node, known) for name, node in _named(fields["datasets"])}
    catalog = Catalog(
        tasks=known.tasks,
        metrics=known.metrics,
        families=known.families,
        releases=known.releases,
        datasets=datasets,
    )
    return catalog if extra is None else _with_own(catalog, read_yaml(extra))


def _with_own(catalog: Catalog, root: Node) -> Catalog:
    """Add the datasets of a user's file; each brings a release and a picture family of its own."""
    fields = root.fields(required=("format", "datasets"))
    _check_format(fields["format"])
    releases = dict(catalog.releases)
    families = dict(catalog.families)
    datasets = dict(catalog.datasets)
    for name, node in _named(fields["datasets"]):
        dataset = own_dataset(name, node, catalog)
        releases[dataset.release] = own_release(dataset)
        families[dataset.release] = own_family(dataset)
        datasets[name] = dataset
    return Catalog(
        tasks=catalog.tasks,
        metrics=catalog.metrics,
        families=families,
        releases=releases,
        datasets=datasets,
    )


def _check_format(node: Node) -> None:
    if node.value != CATALOG_FORMAT:
        raise node.error(
            f"format {node.value} is unknown; this version reads format {CATALOG_FORMAT}"
        )


def _named(node: Node) -> Iterable[tuple[str, Node]]:
    for name, entry in node.entries().items():
        if not _NAME.fullmatch(name):
            raise entry.error(
                f"'{name}' is no valid name; use small letters, digits and underscores"
            )
        yield name, entry


def _task(name: str, node: Node) -> Task:
    fields = node.fields(required=("title", "forms"))
    return Task(name=name, title=fields["title"].text(), forms=fields["forms"].texts())


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
    options = {option: value.scalar() for option, value in _named(fields["options"])}
    splits = tuple(_split(split, value, options) for split, value in _named(fields["splits"]))
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
        families=_each_of(fields["families"], known.families),
        splits=splits,
        default_splits=_each_of(fields["default_splits"], names),
        options=options,
        forms=_forms(fields["forms"], task),
        candidates=_candidates(fields["candidates"], names) if "candidates" in fields else None,
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


def _candidates(node: Node, splits: Iterable[str]) -> Candidates | None:
    if node.is_null:
        return None
    if not node.is_mapping:
        return Candidates(kind=node.choice(("record",)))
    fields = node.fields(optional=("fixed", "vocabulary"))
    if len(fields) != 1:
        raise node.error(
            f"'{node.path}' must be record, {{fixed: ...}} or {{vocabulary: ...}}, one of them"
        )
    if "fixed" in fields:
        return Candidates(kind="fixed", values=fields["fixed"].texts())
    inner = fields["vocabulary"].fields(required=("splits",), optional=("min_count", "top"))
    return Candidates(
        kind="vocabulary",
        splits=_each_of(inner["splits"], splits),
        min_count=inner["min_count"].integer(minimum=1) if "min_count" in inner else 1,
        top=inner["top"].integer(minimum=1) if "top" in inner else None,
    )


def _split(name: str, node: Node, options: Mapping[str, Scalar]) -> Split:
    fields = node.fields(optional=("files", "optional", "expected", "labelled"))
    specs: dict[str, RawFileSpec] = {}
    for key in ("files", "optional"):
        for role, value in _named(fields[key]) if key in fields else ():
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


def _each_of(node: Node, allowed: Iterable[str]) -> tuple[str, ...]:
    allowed = tuple(allowed)
    for name in node.texts():
        if name not in allowed:
            raise node.error(
                f"'{name}' is no value of '{node.path}'; {did_you_mean(name, allowed)}"
            )
    return node.texts()
