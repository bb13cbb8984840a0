"""Renders docs/fidelity.md from its rows and the protocols, and looks up what rows are bound to."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from instructify.catalog import load_catalog
from instructify.protocols import departures, load_protocols, named_protocol, named_suite
from instructify.recipe import read as recipes
from instructify.templating import load_templates
from instructify_train.recipe import load_recipe

ROOT = Path(__file__).parents[2]
VERDICTS = ("same", "different", "open")
_KINDS = {"recipe", "protocol", "catalog", "templates"}  # what a check looks at
_PLAN_ONLY = ("paper", "paper-without-capfilt")  # recipes that are mixtures alone


def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "fidelity.yaml").read_text("utf-8"))
    return content


def sections() -> list[dict[str, Any]]:
    """Read the rows."""
    found: list[dict[str, Any]] = _content()["sections"]
    return found


def rows() -> Iterator[dict[str, Any]]:
    """Give all rows."""
    for section in sections():
        yield from section["rows"]


def page() -> str:
    """Render the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _content()["intro"]
    for section in sections():
        yield f"## {section['title']}\n"
        yield "| what | paper, LAVIS | ours | | source |"
        yield "|---|---|---|---|---|"
        for row in section["rows"]:
            cells = [row["what"], row["paper"], row["ours"], f"**{row['verdict']}**", row["source"]]
            yield f"| {' | '.join(str(one).replace('|', chr(92) + '|') for one in cells)} |"
        yield ""
    yield from _protocol_lines()


def _protocol_lines() -> Iterator[str]:
    catalog = load_catalog()
    yield _content()["datasets"]
    yield "| dataset | departs from what is published | published | likely | ours |"
    yield "|---|---|---|---|---|"
    for name in named_suite("held-out").protocols:
        usual = named_protocol(catalog, name)
        away = [str(one) for one in departures(usual.value(), "t5")] or ["nothing"]
        known = [key for key, one in usual.sources.items() if one not in ("ours", "likely")]
        likely = [key for key, one in usual.sources.items() if one == "likely"]
        ours = [key for key, one in usual.sources.items() if one == "ours"]
        second = [one.name for one in load_protocols(catalog, name) if one.id == "paper"]
        more = f"; `{second[0]}` takes the published prompt" if second else ""
        cells = (
            f"{'; '.join(away)}{more}",
            *(", ".join(one) or "-" for one in (known, likely, ours)),
        )
        yield f"| {name} | {' | '.join(one.replace('|', chr(92) + '|') for one in cells)} |"
    yield ""


def bound(check: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Give of a check each key with the value stated and the value that is."""
    (kind,) = check.keys() & _KINDS
    for key, stated in check.items():
        if key != kind:
            yield f"{check[kind]}: {key}", stated, _value(check, key)


def _value(check: Mapping[str, Any], key: str) -> object:
    value: Any
    if "protocol" in check:
        value = named_protocol(load_catalog(), check["protocol"])
    elif "catalog" in check:
        value = load_catalog().dataset(check["catalog"])
    elif "templates" in check:
        known = load_templates(ROOT / "templates").templates
        pool = [one for one in known if one.task == check["templates"]]
        value = {"number": len(pool), "brief": sum(one.brief for one in pool)}
    elif check["recipe"] in _PLAN_ONLY:
        value = {"mixture": recipes.load_mixture(check["recipe"])}
    else:
        value = load_recipe(check["recipe"])
    for part in key.split("."):
        value = _step(value, part)
    if key == "mixture.members":
        return [one.dataset for one in value]
    return list(value) if isinstance(value, tuple) else value


def _step(value: Any, part: str) -> Any:
    if dataclasses.is_dataclass(value):
        return getattr(value, part)
    if isinstance(value, Mapping):
        return value[part]
    return next(one for one in value if one.dataset == part)
