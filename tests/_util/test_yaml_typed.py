"""YAML is decoded by type hints; every mistake is a sentence with file and line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Node, Scalar, parse_yaml
from instructify._util.yaml_marks import (
    AS_IT_IS,
    FROM_KEY,
    MAY_BE_EMPTY,
    NAME,
    NO_KEY,
    NOT_NULL,
    STRIPPED,
    Between,
    Check,
    Key,
    Names,
    NotEmpty,
    OneOf,
    format_is,
    words,
)
from instructify._util.yaml_settings import with_setting
from instructify._util.yaml_typed import decode, decode_all


def _even(value: int, node: Node, names: Names) -> Iterator[UserError]:
    if value % 2:
        yield node.error(f"{value} is odd")
        yield node.error(f"{value + 1} is near")


@dataclass(frozen=True, kw_only=True)
class Part:
    name: Annotated[str, FROM_KEY]
    factor: Annotated[float, Between(0, 10)] = 1.0
    kinds: tuple[Annotated[str, OneOf("kinds")], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Whole:
    label: Annotated[str, NO_KEY]
    size: Literal["all", "few"] | Annotated[int, Between(1, 9)]
    mode: Literal["auto", "true"] = "auto"
    count: Annotated[int, Between(2)] | None = None
    pair: Annotated[int | None, Check(_even)] = None
    is_kept: Annotated[bool, Key("extra"), words(keep=True, drop=False)] = True
    note: Annotated[str | None, STRIPPED] = None
    value: Scalar = None
    parts: Annotated[tuple[Part, ...], NotEmpty("name a part")] = ()
    shares: Annotated[
        Mapping[Annotated[str, NAME], Annotated[float, Between(0, 1)]], MAY_BE_EMPTY
    ] = field(default_factory=dict)
    tags: Annotated[tuple[str, ...], MAY_BE_EMPTY] = ()
    first: Part | None = None
    must: Annotated[Literal["x"] | None, NOT_NULL] = None
    later: Annotated[Node | None, AS_IT_IS] = None
    format: Annotated[int, format_is(3)] = 3


NAMES = {"kinds": ("red", "green")}


def node(text: str) -> Node:
    return parse_yaml(text, "file.yaml")


def read(text: str) -> Whole:
    return decode(Whole, node(text), names=NAMES, given={"label": "given"})


def test_every_kind_of_value_is_read_by_its_type() -> None:
    whole = read(
        "size: few\nmode: true\ncount: 4\npair: 2\nextra: drop\nnote: ' a b '\nvalue: 1.5\n"
        "parts: {x: null, y: {factor: 3, kinds: green}}\nshares: {a: 0.5}\ntags: []\n"
        "first: {kinds: [red, green]}\nlater: {any: [thing]}\n"
    )
    assert (whole.label, whole.size, whole.mode, whole.count) == ("given", "few", "true", 4)
    assert (whole.pair, whole.is_kept, whole.note, whole.value) == (2, False, "a b", 1.5)
    assert whole.parts == (Part(name="x"), Part(name="y", factor=3.0, kinds=("green",)))
    assert isinstance(whole.parts[1].factor, float)
    assert (whole.shares, whole.tags) == ({"a": 0.5}, ())
    assert whole.first == Part(name="first", kinds=("red", "green"))
    assert whole.later is not None
    assert whole.later.entries()["any"].items()[0].value == "thing"
    assert read("size: 3") == Whole(label="given", size=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sise: all", "line 1: unknown key 'sise'; did you mean 'size'?"),
        ("count: 3", "line 1: key 'size' is missing"),
        ("null", "line 1: the file must be a mapping, not nothing"),
        ("size: 3\nlabel: x", "line 2: unknown key 'label'"),  # given by code, not by the file
        ("size: fwe", "'fwe' is no value of 'size'; did you mean 'few'?"),
        ("size: 10", "'size' must be a whole number from 1 to 9, not 10"),
        ("size: true", "'size' must be a whole number from 1 on, not true"),
        ("size: 3\nmode: false", "line 2: 'false' is no value of 'mode'; allowed: auto, true"),
        ("size: 3\ncount: 1", "'count' must be a whole number from 2 on, not 1"),
        ("size: 3\npair: 5", "line 2: 5 is odd"),
        ("size: 3\nextra: true", "'extra' must be one of keep, drop"),
        ("size: 3\nis_kept: true", "unknown key 'is_kept'"),
        ("size: 3\nnote: null", "'note' must be a text"),
        ("size: 3\nvalue: [1]", "'value' must be a single value, not a list"),
        ("size: 3\nparts: {}", "'parts' is empty; name a part"),
        ("size: 3\nparts:\n  x:\n    factr: 1", "line 4: unknown key 'factr' in 'parts.x'; did"),
        ("size: 3\nparts:\n  x: 5", "line 3: 'parts.x' must be a mapping, not 5"),
        ("size: 3\nparts: {x: {name: y}}", "unknown key 'name' in 'parts.x'"),
        ("size: 3\nparts: {x: {factor: 11}}", "'parts.x.factor' must be a number from 0 to 10"),
        ("size: 3\nfirst:\n  kinds:\n  - red\n  - gren", "line 5: 'gren' is no value of 'first."),
        ("size: 3\nfirst:\n  kinds: [red, red]", "line 3: 'red' is listed twice in 'first.kinds'"),
        ("size: 3\nfirst: {kinds: []}", "'first.kinds' is empty; it needs at least one entry"),
        ("size: 3\nshares: {A-b: 1}", "'A-b' is no valid name; use small letters, digits and"),
        ("size: 3\nshares: {a: 1.5}", "'shares.a' must be a number from 0 to 1, not 1.5"),
        ("size: 3\nmust: null", "'must' must be one of x, not nothing"),
        ("size: 3\nformat: 4", "format 4 is unknown; this version reads format 3"),
        ("size: 3\nformat: true", "format true is unknown"),
        ("size: 3\nformat: [3]", "'format' must be a single value"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        read(text)
    assert str(error.value).startswith("file.yaml, line ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_all_mistakes_are_collected() -> None:
    told: list[str] = []
    text = (
        "siz: 3\nmode: of\npair: 5\nfirst:\n  factor: x\n  colour: red\n  kinds: [gren]\ncount: 2"
    )
    whole = decode_all(
        Whole, node(text), lambda error: told.append(str(error)), names=NAMES, given={"label": "x"}
    )
    assert whole is None
    lines = [re.sub(r"^file.yaml, line (\d+): .*", r"\1", one) for one in told]
    assert lines == ["1", "1", "2", "3", "3", "6", "5", "7"]  # 1: an unknown and a missing key
    assert decode_all(Whole, node("[]"), lambda error: told.append(str(error))) is None
    assert "must be a mapping, not a list" in told[-1]
    good = decode_all(
        Whole,
        node("size: 2"),
        lambda error: pytest.fail(str(error)),
        names=NAMES,
        given={"label": "x"},
    )
    assert good == Whole(label="x", size=2)


def test_a_base_brings_what_is_not_written() -> None:
    base = Whole(label="x", size=7, count=5, tags=("a",))
    changed = decode(Whole, node("count: 3"), base=base, others=("like",))
    assert changed == Whole(label="x", size=7, count=3, tags=("a",))
    assert decode(Whole, node("like: this"), base=base, others=("like",)) == base
    with pytest.raises(UserError, match="unknown key 'lik'; did you mean 'like'"):
        decode(Whole, node("lik: this"), base=base, others=("like",))


def test_settings_of_a_command_line_are_decoded_like_the_file() -> None:
    root = node("size: 3")
    for setting in ("parts.x.factor=2", "first.kinds=[red]", "mode=true"):
        root = with_setting(root, setting)
    whole = decode(Whole, root, names=NAMES, given={"label": "x"})
    assert whole.parts == (Part(name="x", factor=2.0),)
    assert whole.first == Part(name="first", kinds=("red",))
    with pytest.raises(UserError, match=r"^--set parts.x.factr=2, .*did you mean 'factor'"):
        decode(Whole, with_setting(root, "parts.x.factr=2"), names=NAMES, given={"label": "x"})
    with pytest.raises(UserError, match=r"^--set count=many, .*must be a whole number from 2"):
        decode(Whole, with_setting(root, "count=many"), names=NAMES, given={"label": "x"})


def test_a_type_that_no_yaml_value_has_is_a_programming_error() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: bytes = b""

    with pytest.raises(TypeError, match="no YAML value is read as"):
        decode(Odd, node("value: x"))
