"""Suites: protocols that belong together, such as the columns of a table."""

from pathlib import Path
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify._util.yaml_lines import Node, read_yaml
from instructify.protocols.read import FORMAT, SUITES, protocol_file


class Suite(NamedTuple):
    """Protocols by name, and the settings that all of them get."""

    protocols: tuple[str, ...]
    settings: tuple[str, ...]


def load_suites(folder: Path | None = None) -> dict[str, Suite]:
    """Read which protocols belong together."""
    top = read_yaml(protocol_file(SUITES, folder)).fields(required=("format", "suites"))
    if top["format"].value != FORMAT:
        raise top["format"].error(f"suite format {FORMAT} is known, not {top['format'].value}")
    return {name: _suite(node) for name, node in top["suites"].entries().items()}


def named_suite(name: str, folder: Path | None = None) -> Suite:
    """Load a suite by its name."""
    suites = load_suites(folder)
    if name not in suites:
        raise UserError(f"there is no suite '{name}'; {did_you_mean(name, suites)}")
    return suites[name]


def _suite(node: Node) -> Suite:
    fields = node.fields(required=("protocols",), optional=("set",))
    settings = fields["set"].texts() if "set" in fields else ()
    return Suite(fields["protocols"].texts(), settings)
