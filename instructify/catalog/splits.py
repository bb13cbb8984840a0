"""The splits of a dataset: their raw files, and how many records and pictures they have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from instructify._util.errors import UserError, did_you_mean
from instructify._util.yaml_lines import Node, Scalar
from instructify._util.yaml_marks import (
    FROM_KEY,
    MAY_BE_EMPTY,
    NAME,
    NOT_NULL,
    Between,
    By,
    Check,
    Names,
    OneOf,
)
from instructify._util.yaml_typed import decode

_PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RawFileSpec:
    """A raw file of a split: its role for the reader, and its possible names, tried in order.

    A name is relative to the folder of the release and may contain `{option}`. `many`, for own data
    only: all of the names are read, and each may be a glob or a folder.
    """

    role: str
    names: tuple[str, ...]
    optional: bool
    many: bool = False

    def names_for(self, options: Mapping[str, Scalar]) -> tuple[str, ...]:
        """List the names with the values of options filled in."""
        return tuple(
            _PLACEHOLDER.sub(lambda match: str(options.get(match[1], match[0])), name)
            for name in self.names
        )

    def placeholders(self) -> tuple[str, ...]:
        """List the options that the names depend on."""
        return tuple(
            sorted({option for name in self.names for option in _PLACEHOLDER.findall(name)})
        )


def _values(node: Node) -> tuple[Scalar, ...]:
    """Read the values of an option; a single value is a list of length one."""
    return tuple(item.scalar() for item in (node.items() if node.is_list else [node]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """Official counts of a complete release, under the options in `when`.

    `exact` is false if the number of records is rounded or known from only one source.
    """

    records: Annotated[int | None, Between(1), NOT_NULL] = None
    pictures: Annotated[int | None, Between(1), NOT_NULL] = None
    exact: bool = True
    when: Annotated[
        Mapping[Annotated[str, OneOf("options")], Annotated[tuple[Scalar, ...], By(_values)]],
        MAY_BE_EMPTY,
    ] = field(default_factory=dict)

    def holds(self, options: Mapping[str, Scalar]) -> bool:
        return all(options.get(option) in values for option, values in self.when.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    name: str
    files: tuple[RawFileSpec, ...]
    expected: tuple[Expected, ...]
    labelled: bool  # false: the authors keep the answers, the split is for inference only

    def file(self, role: str) -> RawFileSpec:
        """Return the file with this role."""
        for spec in self.files:
            if spec.role == role:
                return spec
        raise KeyError(f"split '{self.name}' has no file '{role}'")

    def expected_for(self, options: Mapping[str, Scalar]) -> Expected | None:
        """Return the official counts under these options, if any are known."""
        return next((expected for expected in self.expected if expected.holds(options)), None)


def relative(file_name: str, node: Node, names: Names) -> Iterator[UserError]:
    """Yield the mistake in a name that leads out of its folder."""
    parts = re.split(r"[/\\]", file_name)
    if file_name.startswith(("/", "\\")) or ".." in parts or ":" in file_name:
        yield node.error(
            f"'{file_name}' leads out of the raw root; give a name below the release's folder"
        )


def _below_releases(file_name: str, node: Node, names: Names) -> Iterator[UserError]:
    # A sibling release may own the file: TextVQA's OCR serves TextCaps.
    yield from relative(file_name.removeprefix("../"), node, names)


_Files = Annotated[
    Mapping[Annotated[str, NAME], tuple[Annotated[str, Check(_below_releases)], ...]], MAY_BE_EMPTY
]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """The keys of a split."""

    name: Annotated[str, FROM_KEY]
    files: _Files = field(default_factory=dict)
    optional: _Files = field(default_factory=dict)
    expected: Annotated[tuple[Node, ...], By(lambda node: _each(node))] = ()
    labelled: bool = True


def read_splits(node: Node, names: Names) -> tuple[Split, ...]:
    """Read the splits of a dataset, whose files and counts may depend on its `options`."""
    for name, entry in node.entries().items():
        NAME.check(name, entry)
    return tuple(_split(entry, names) for entry in node.entries().values())


def _each(node: Node) -> tuple[Node, ...]:
    return tuple(node.items()) if node.is_list else (node,)


def _split(node: Node, names: Names) -> Split:
    entry = decode(_Entry, node)
    for role in entry.optional:
        if role in entry.files:
            raise (
                node.at("optional")
                .at(role)
                .error(
                    f"the file '{role}' of '{node.path}' is both required and optional; keep one"
                )
            )
    if not entry.files and not entry.optional:
        raise node.error(f"'{node.path}' names no file; give files: {{role: name}}")
    specs = [
        _spec(node.at(key).at(role), role, file_names, names, optional=key == "optional")
        for key, files in (("files", entry.files), ("optional", entry.optional))
        for role, file_names in files.items()
    ]
    return Split(
        name=entry.name,
        files=tuple(specs),
        expected=tuple(decode(Expected, expected, names=names) for expected in entry.expected),
        labelled=entry.labelled,
    )


def _spec(
    node: Node, role: str, file_names: tuple[str, ...], names: Names, *, optional: bool
) -> RawFileSpec:
    spec = RawFileSpec(role=role, names=file_names, optional=optional)
    for option in spec.placeholders():
        if option not in names["options"]:
            raise node.error(
                f"'{{{option}}}' is no option of the dataset; "
                f"{did_you_mean(option, names['options'])}"
            )
    return spec
