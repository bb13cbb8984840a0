"""Suites: protocols that belong together, such as the columns of a table, and means over them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify._util.yaml_lines import Node, read_yaml
from instructify._util.yaml_marks import MAY_BE_EMPTY, Key, format_is
from instructify._util.yaml_typed import decode
from instructify.protocols.folders import as_folders
from instructify.protocols.read import FORMAT, SUITES, Where

_Lists = Annotated[Mapping[str, tuple[str, ...]], MAY_BE_EMPTY]


@dataclass(frozen=True, slots=True)
class Suite:
    """Names of protocols, settings for all of them, and settings for single protocols.

    `means` lists the protocols whose scores are averaged.
    """

    protocols: tuple[str, ...]
    settings: Annotated[tuple[str, ...], Key("set")] = ()
    settings_for: Annotated[_Lists, Key("set_for")] = field(default_factory=dict)
    means: _Lists = field(default_factory=dict)

    def settings_of(self, protocol: str) -> tuple[str, ...]:
        """Return the settings of a protocol: those for all, then those for this one."""
        return (*self.settings, *self.settings_for.get(protocol, ()))


class Mean(NamedTuple):
    """The mean score of some protocols of a suite; None if protocols in `lacks` have no score."""

    name: str
    value: float | None
    protocols: tuple[str, ...]
    lacks: tuple[str, ...]
    complete: bool  # whether each score is of the whole official split


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """The top of a file of suites."""

    format: Annotated[int, format_is(FORMAT)]
    suites: Annotated[Mapping[str, Node], MAY_BE_EMPTY]


def load_suites(folder: Where = None) -> dict[str, Suite]:
    """Read all suites.

    Raises:
        UserError: two files define a suite of the same name.
    """
    suites: dict[str, Suite] = {}
    for path in as_folders(folder).files(SUITES):
        for name, node in decode(_File, read_yaml(path)).suites.items():
            if name in suites:
                raise node.error(f"the suite '{name}' exists already; choose another name")
            suites[name] = _suite(node)
    return suites


def named_suite(name: str, folder: Where = None) -> Suite:
    """Load a suite by its name."""
    suites = load_suites(folder)
    if name not in suites:
        raise UserError(f"there is no suite '{name}'; {did_you_mean(name, suites)}")
    return suites[name]


def suite_means(suite: Suite, results: Iterable[Mapping[str, Any]]) -> list[Mean]:
    """Average the scores of results for each mean of a suite; a mean needs all its protocols."""
    scored = {result["name"]: result for result in results if result["score"] is not None}
    means = []
    for name, protocols in suite.means.items():
        lacks = tuple(protocol for protocol in protocols if protocol not in scored)
        values = [
            float(scored[protocol]["score"]["value"])
            for protocol in protocols
            if protocol in scored
        ]
        means.append(
            Mean(
                name,
                None if lacks else sum(values) / len(values),
                protocols,
                lacks,
                all(scored[protocol]["complete"] for protocol in protocols if protocol in scored),
            )
        )
    return means


def _suite(node: Node) -> Suite:
    suite = decode(Suite, node)
    for name in suite.settings_for:
        _check_named(node.at("set_for").at(name), name, suite.protocols)
    for mean, names in suite.means.items():
        for name in names:
            _check_named(node.at("means").at(mean), name, suite.protocols)
    return suite


def _check_named(node: Node, name: str, protocols: tuple[str, ...]) -> None:
    if name not in protocols:
        raise node.error(f"'{name}' is no protocol of this suite; {did_you_mean(name, protocols)}")
