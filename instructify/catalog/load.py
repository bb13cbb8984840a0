"""Load `catalog.yaml` into frozen dataclasses, and add the user's own datasets.

Every reference is resolved here, so that later code never has an unknown task, release, family or
metric. A mistake gives one sentence with file, line and the nearest valid name. The readers check
the values of options.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from instructify._util.errors import did_you_mean
from instructify._util.resources import find
from instructify._util.yaml_lines import Node, read_yaml
from instructify._util.yaml_marks import MAY_BE_EMPTY, NAME, format_is
from instructify._util.yaml_typed import decode
from instructify.catalog.model import Catalog, Dataset, Family, Metric, Release, Task
from instructify.catalog.own_data import own_dataset, own_entry, own_family, own_release

CATALOG_FORMAT = 1
_Name = Annotated[str, NAME]
_CLUSTERS = ("task-seen", "task-unseen")


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """The top of the catalog; its datasets are decoded after the rest."""

    format: Annotated[int, format_is(CATALOG_FORMAT)]
    tasks: Mapping[_Name, Task]
    metrics: Mapping[_Name, str]
    families: Mapping[_Name, Family]
    releases: Mapping[_Name, Release]
    datasets: Mapping[_Name, Node]


@dataclass(frozen=True, kw_only=True, slots=True)
class _OwnFile:
    """The top of a user's file."""

    format: Annotated[int, format_is(CATALOG_FORMAT)]
    datasets: Annotated[Mapping[_Name, Node], MAY_BE_EMPTY]
    tasks: Annotated[Mapping[_Name, Task], MAY_BE_EMPTY] = field(default_factory=dict)


def load_catalog(path: Path | None = None, extra: Path | None = None) -> Catalog:
    """Load the catalog at `path` (None: the built-in one) and add the user's own of `extra`."""
    file = decode(_File, read_yaml(path if path is not None else find("catalog.yaml")))
    known = Catalog(
        tasks=file.tasks,
        metrics={name: Metric(name=name, title=title) for name, title in file.metrics.items()},
        families=file.families,
        releases=file.releases,
        datasets={},
    )
    datasets = {name: _dataset(node, known) for name, node in file.datasets.items()}
    catalog = dataclasses.replace(known, datasets=datasets)
    return catalog if extra is None else _with_own(catalog, read_yaml(extra))


def _with_own(catalog: Catalog, root: Node) -> Catalog:
    """Add the tasks and datasets of a user's file; each dataset adds a release and a family."""
    file = decode(_OwnFile, root)
    tasks = _with_own_tasks(catalog, file.tasks, root.at("tasks"))
    known = dataclasses.replace(catalog, tasks=tasks)
    releases = dict(catalog.releases)
    families = dict(catalog.families)
    datasets = dict(catalog.datasets)
    for name, node in file.datasets.items():
        entry = own_entry(node, known)
        dataset = own_dataset(name, entry, node, known)
        releases[dataset.release] = own_release(dataset, entry, node)
        families[dataset.release] = own_family(dataset)
        datasets[name] = dataset
    return dataclasses.replace(known, families=families, releases=releases, datasets=datasets)


def _with_own_tasks(catalog: Catalog, own_tasks: Mapping[str, Task], node: Node) -> dict[str, Task]:
    """Add the tasks of a user's file, for which the user gives templates."""
    forms = sorted({form for task in catalog.tasks.values() for form in task.forms})
    for name, task in own_tasks.items():
        if name in catalog.tasks:
            raise node.at(name).error(
                f"'{name}' is already a task of the catalog; choose another name"
            )
        for form in task.forms:
            if form not in forms:
                raise node.at(name).error(f"'{form}' is no form; {did_you_mean(form, forms)}")
    return {**catalog.tasks, **own_tasks}


def _dataset(node: Node, known: Catalog) -> Dataset:
    task = known.tasks[node.at("task").choice(known.tasks)] if "task" in node.entries() else None
    dataset = decode(
        Dataset,
        node,
        names={
            "tasks": known.tasks,
            "metrics": known.metrics,
            "families": known.families,
            "releases": known.releases,
            "forms": () if task is None else task.forms,
            "options": _keys(node, "options"),
            "splits": _keys(node, "splits"),
        },
    )
    if dataset.role == "held-out" and dataset.cluster is None:
        raise node.error(f"'{node.path}' is held-out and needs a cluster: {' or '.join(_CLUSTERS)}")
    if dataset.role == "held-in" and dataset.cluster is not None:
        raise node.at("cluster").error(
            f"'{node.path}' is held-in and has no cluster; remove the key"
        )
    return dataset


def _keys(node: Node, key: str) -> tuple[str, ...]:
    """List the keys of an entry that is a mapping."""
    entry = node.entries().get(key)
    return tuple(entry.entries()) if entry is not None and entry.is_mapping else ()
