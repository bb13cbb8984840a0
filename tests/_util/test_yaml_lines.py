"""A mistake in a YAML file is answered with file and line; nothing but plain YAML is taken."""

import gzip
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Node, parse_yaml, read_yaml
from instructify._util.yaml_settings import with_setting


def parse(content: str) -> Node:
    return parse_yaml(content, "file.yaml")


def test_values_know_their_line_and_path() -> None:
    root = parse("a: 1\nb:\n  - x\n  - c: true\n")
    item = root.entries()["b"].items()[1].entries()["c"]
    assert (item.line, item.path, item.value) == (4, "b[1].c", True)
    assert root.entries()["b"].line == 2  # the key's line, not that of the first item


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("007", 7),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'1'", "1"),
        ('"null"', "null"),
        ("12:30", "12:30"),
        ("2014-11-01", "2014-11-01"),
        ("1_000", "1_000"),
        (".", "."),
        ("9" * 30, "9" * 30),
    ],
)
def test_plain_scalars_are_read_as_in_yaml_1_2(text: str, value: object) -> None:
    assert parse(f"k: {text}").entries()["k"].value == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\na: 2", "file.yaml, line 2: 'a' is a duplicate of line 1; keep one"),
        ("a: &x 1\nb: *x", "file.yaml, line 1: anchors and aliases are not allowed"),
        ("a: !!python/object:os.system 1", "line 1: the tag tag:yaml.org"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins"),
        ("? [a]\n: 1", "line 1: a key must be a plain text"),
        ("a: [1", "line 2: this is not YAML"),
        ("a: 1\n  b: 2", "line 2: this is not YAML"),
        ("[" * 50 + "]" * 50, "nested deeper than 32 levels"),
        ("a: \x00", "this is not YAML"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(content: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse(content)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_keys_are_answered_with_the_nearest_one() -> None:
    with pytest.raises(
        UserError, match=r"line 2: unknown key 'taks' in 'a'; did you mean 'task'\?"
    ):
        parse("a:\n  taks: 1").entries()["a"].fields(optional=("task", "role"))
    with pytest.raises(UserError, match="line 1: key 'task' is missing in 'a'"):
        parse("a: {}").entries()["a"].fields(required=("task",))


@pytest.mark.parametrize(
    ("text", "read", "message"),
    [
        ("[1]", "text", "'k' must be a text"),
        ("''", "text", "'k' must be a text"),
        ("5", "texts", "'k' must be a list, not 5"),
        ("[a, a]", "texts", "'a' is listed twice"),
        ("[]", "texts", "'k' must be at least one text"),
        ("1", "boolean", "'k' must be true or false, not 1"),
        ("true", "integer", "'k' must be a whole number from 0 on, not true"),
        ("-1", "integer", "'k' must be a whole number"),
        ("{}", "scalar", "'k' must be a single value, not a mapping"),
        ("x", "items", "'k' must be a list, not 'x'"),
        ("x", "entries", "'k' must be a mapping"),
    ],
)
def test_values_of_another_type_are_refused(text: str, read: str, message: str) -> None:
    node = parse(f"k: {text}").entries()["k"]
    with pytest.raises(UserError) as error:
        getattr(node, read)()
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "[1]", "x"])
def test_a_file_of_another_type_is_called_the_file(text: str) -> None:
    with pytest.raises(UserError, match=r"^file.yaml, line 1: the file must be a mapping, not "):
        parse(text).entries()


def test_numbers_stay_in_their_range() -> None:
    node = parse("k: 101").entries()["k"]
    assert node.number(minimum=0, maximum=101) == 101.0
    with pytest.raises(UserError, match="a number from 0 to 100, not 101"):
        node.number(minimum=0, maximum=100)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: caf\xe9")
    with pytest.raises(UserError, match=r"is not UTF-8 text \(byte 6\)"):
        read_yaml(latin)


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="a1:-[]{}&*!?|>#'\", \n\t", max_size=200))
def test_any_text_is_read_or_refused_in_one_sentence(content: str) -> None:
    message = "file.yaml"
    try:
        parse(content)
    except UserError as error:
        message = str(error)
    assert "file.yaml" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(b"format: 1"), "a gzip archive"),
        (pickle.dumps({"format": 1}), "a Python pickle, which is never opened"),
        ("format: 1".encode("utf-16"), "text in UTF-16"),
        ("format: 1".encode("utf-16-le"), "text in UTF-16"),
        (b"<!DOCTYPE html><html>404</html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
    ],
)
def test_a_file_of_another_kind_is_said_to_be_of_it(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"recipe.yaml is {said}.*, not YAML"):
        read_yaml(path)


@pytest.mark.parametrize("key", ["a." * 5_000 + "b", "." * 5_000, "a" + ".0" * 40])
def test_a_setting_below_many_keys_is_one_sentence(key: str) -> None:
    with pytest.raises(UserError, match="names a key below more than"):
        with_setting(parse_yaml("a: {b: 1}", "recipe.yaml"), f"{key}=1")
