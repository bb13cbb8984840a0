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
    """Protocols by name, the settings that all of them get, and those of single ones.

    `means` name protocols whose scores are averaged.
    """

    protocols: tuple[str, ...]
    settings: Annotated[tuple[str, ...], Key("set")] = ()
    settings_for: Annotated[_Lists, Key("set_for")] = field(default_factory=dict)
    means: _Lists = field(default_factory=dict)

    def settings_of(self, protocol: str) -> tuple[str, ...]:
        """Give the settings of a protocol: those of all, then its own."""
        return (*self.settings, *self.settings_for.get(protocol, ()))


class Mean(NamedTuple):
    """The mean score over the protocols of a suite that it is about; None where `lacks` are out."""

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
    """Read which protocols belong together; UserError where two files name one suite."""
    found: dict[str, Suite] = {}
    for path in as_folders(folder).files(SUITES):
        for name, node in decode(_File, read_yaml(path)).suites.items():
            if name in found:
                raise node.error(f"the suite '{name}' is there already; give yours another name")
            found[name] = _suite(node)
    return found


def named_suite(name: str, folder: Where = None) -> Suite:
    """Load a suite by its name."""
    suites = load_suites(folder)
    if name not in suites:
        raise UserError(f"there is no suite '{name}'; {did_you_mean(name, suites)}")
    return suites[name]


def suite_means(suite: Suite, results: Iterable[Mapping[str, Any]]) -> list[Mean]:
    """Average the scores of results as the suite says; a mean needs all of its protocols."""
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
