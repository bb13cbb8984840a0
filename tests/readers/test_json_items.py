"""The streaming core: any window gives the same items, damage is named, neighbours are kept."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.json_items import Items, read_lines, read_list, read_mapping, read_value
from instructify.rejects import REASONS, Reject


class Answer(msgspec.Struct):
    text: str


class Row(msgspec.Struct):
    id: int
    name: str
    answers: list[Answer] = []


ROWS = [
    {"id": 0, "name": "a"},
    {"id": 1, "name": "}, {", "answers": [{"text": '"}, {"id": 5'}, {"text": "]}"}]},
    {"id": 2, "name": "caf\u00e9 \U0001f600 {{ x }} </s>", "answers": []},
    {
        "answers": [{"text": "k"}] * 7,
        "extra": [[{"id": 1}, {"id": 2}], {"deep": {}}],
        "id": 3,
        "name": "",
    },
    {"id": 4, "name": '\\" \n', "other": None},
]
NAMES = st.text(max_size=12) | st.sampled_from(['}, {"', '"}]', "\\", "[{", '{"id": 1}', "\ufeff"])
GOOD_ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 99), "name": NAMES},
        optional={
            "answers": st.lists(st.fixed_dictionaries({"text": NAMES}), max_size=4),
            "more": st.recursive(NAMES, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
        },
    ),
    max_size=12,
)
SETTINGS = settings(max_examples=60, deadline=None)


class Read:
    """All that a stream of windows gave."""

    def __init__(self, stream: Iterator[Items[Any]]) -> None:
        self.items: list[Any] = []
        self.positions: list[int] = []
        self.rejects: list[Reject] = []
        for one in stream:
            assert len(one.items) == len(one.positions)
            self.items += one.items
            self.positions += one.positions
            self.rejects += one.rejects
        for reject in self.rejects:
            assert reject.reason in REASONS
        taken = [*self.positions, *(at for at in (r.position for r in self.rejects))]
        assert len(set(taken)) == len(taken)

    @property
    def reasons(self) -> list[tuple[int | None, str | None, str]]:
        return [(one.position, one.field, one.reason) for one in self.rejects]

    @property
    def ids(self) -> list[int]:
        return [item.id for item in self.items]


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str | bytes], RawFile]:
    def write(text: str | bytes) -> RawFile:
        path = tmp_path / "file.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        return RawFile("file.json", path)

    return write


Put = Callable[[str | bytes], RawFile]


def plain(rows: list[dict[str, Any]]) -> list[Row]:
    return msgspec.convert(rows, list[Row])


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("json") / "file.json"


@pytest.mark.parametrize("window_bytes", [1, 2, 7, 64, 100, 4096])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_windows_of_any_size_give_the_same_items(
    put: Put, window_bytes: int, indent: int | None, ascii_only: bool
) -> None:
    file = put(json.dumps(ROWS, indent=indent, ensure_ascii=ascii_only))
    read = Read(read_list(file, Row, window_bytes=window_bytes))
    assert read.items == plain(ROWS)
    assert read.positions == [0, 1, 2, 3, 4]
    assert not read.rejects


@SETTINGS
@given(rows=GOOD_ROWS, window_bytes=st.integers(1, 300), head=NAMES, tail=NAMES)
def test_a_list_at_a_key_is_the_same_whatever_stands_around_it(
    scratch: Path, rows: list[dict[str, Any]], window_bytes: int, head: str, tail: str
) -> None:
    value = {
        "info": {"rows": head, "data": [head, {"rows": []}]},
        "rows": rows,
        "tail": [tail, {"rows": [1]}],
    }
    scratch.write_text(json.dumps(value), encoding="utf-8")
    file = RawFile("file.json", scratch)
    read = Read(read_list(file, Row, key="rows", window_bytes=window_bytes))
    assert read.items == plain(rows)
    assert read.positions == list(range(len(rows)))
    assert not read.rejects


@pytest.mark.parametrize("window_bytes", [1, 4096])
@pytest.mark.parametrize(
    "damage",
    ['{"id": NaN}', '{"id": "\\ud800"}', '{"id": tru}', '{"id": 1', '{"id": "\xff"}', "[" * 5000],
)
def test_damage_in_one_list_leaves_the_list_behind_it_readable(
    scratch: Path, damage: str, window_bytes: int
) -> None:
    other = f'[{{"id": 1}}, {damage}, {{"id": 2}}]'
    text = f'{{"info": {{"rows": [7]}}, "other": {other}, "rows": {json.dumps(ROWS)}}}'
    scratch.write_bytes(text.encode("latin-1"))
    file = RawFile("file.json", scratch)
    read = Read(read_list(file, Row, key="rows", window_bytes=window_bytes))
    assert read.items == plain(ROWS)
    assert not read.rejects


@SETTINGS
@given(
    rows=st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=8).filter(str.isprintable),
        GOOD_ROWS.filter(bool),
        max_size=6,
    ),
    window_bytes=st.integers(1, 300),
)
def test_a_mapping_gives_its_ids_as_they_are(
    scratch: Path, rows: dict[str, list[dict[str, Any]]], window_bytes: int
) -> None:
    value = {"data": {"items": {key: one[0] for key, one in rows.items()}}}
    scratch.write_text(json.dumps(value), encoding="utf-8")
    file = RawFile("file.json", scratch)
    read = Read(read_mapping(file, Row, key="data.items", window_bytes=window_bytes))
    assert [key for key, _ in read.items] == list(rows)
    assert [item for _, item in read.items] == plain([one[0] for one in rows.values()])
    assert not read.rejects


@SETTINGS
@given(
    rows=GOOD_ROWS.filter(lambda rows: len(rows) > 1),
    damage=st.sampled_from([
        '{"id": 1}', '{"id": "x", "name": ""}', '{"id": null, "name": "a"}', "7", "null", '"text"',
        "[]",
        '{"id": NaN, "name": "a"}', '{"id": 1, "name": "\\ud800"}', '{"id": 1, "name": tru}',
        '{"id": 1, "name": "a" "b"}', '{"id": 1,, "name": "a"}', '{"id": 1e999, "name": "a"}',
        '{"id": 1, "name": "a", "answers": [{"text": null}]}',
        '{"id": ' + "9" * 5000 + ', "name": "a"}',
    ]),
    place=st.integers(0, 11),
    window_bytes=st.integers(1, 400),
)  # fmt: skip
def test_a_damaged_item_is_named_and_its_neighbours_are_kept(
    scratch: Path, rows: list[dict[str, Any]], damage: str, place: int, window_bytes: int
) -> None:
    place %= len(rows)
    texts = [json.dumps(row) for row in rows]
    texts.insert(place, damage)
    scratch.write_text("[" + ", ".join(texts) + "]", encoding="utf-8")
    read = Read(read_list(RawFile("file.json", scratch), Row, window_bytes=window_bytes))
    assert read.items == plain(rows)
    assert [reject.position for reject in read.rejects] == [place]
    assert read.positions == [at for at in range(len(texts)) if at != place]


@pytest.mark.parametrize(
    ("item", "field", "reason"),
    [
        ('{"name": "a"}', "id", "missing-field"),
        ('{"id": 1, "name": null}', "name", "null-field"),
        ('{"id": "1", "name": "a"}', "id", "wrong-type"),
        ('{"id": NaN, "name": "a"}', "id", "not-finite"),
        ('{"id": 1, "name": "\\udc00"}', None, "lone-surrogate"),
        ('{"id": 1, "name": "a","answers":[{}]}', "answers[0].text", "missing-field"),
        ("[1]", None, "not-an-object"),
        ('{"id": 1, "name": "a"', None, "malformed-json"),
    ],
)  # fmt: skip
def test_each_kind_of_damage_has_its_reason(
    put: Put, item: str, field: str | None, reason: str
) -> None:
    good = '{"id": 1, "name": "a"}'
    read = Read(read_list(put(f"[{good}, {item}, {good}]"), Row))
    assert read.reasons == [(1, field, reason)]
    assert read.positions == [0, 2]


def test_nesting_without_end_is_a_reject(put: Put) -> None:
    deep = '{"id": 1, "name": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
    read = Read(read_list(put(f'[{deep}, {{"id": 2, "name": "b"}}]'), Row))
    assert read.ids == [2]
    assert [reject.reason for reject in read.rejects] == ["too-deep"]


@pytest.mark.parametrize("window_bytes", [1, 50, 4096])
def test_a_file_cut_off_anywhere_keeps_what_is_whole(put: Put, window_bytes: int) -> None:
    text = json.dumps(ROWS)
    ends = [len(json.dumps(ROWS[: number + 1])) - 1 for number in range(len(ROWS))]
    for size in range(1, len(text)):
        read = Read(read_list(put(text[:size]), Row, window_bytes=window_bytes))
        whole = sum(end <= size for end in ends)
        assert read.items == plain(ROWS[:whole]), size
        *others, last = [reject.reason for reject in read.rejects]
        assert last == "cut-off", size
        assert {*others} <= {"malformed-json"}, size  # pieces of the item that was cut


def test_a_byte_order_mark_and_white_space_are_no_damage(put: Put) -> None:
    text = b"\xef\xbb\xbf \r\n[\r\n " + json.dumps(ROWS[0]).encode() + b" \r\n] \n"
    for window_bytes in (1, 2, 4096):
        assert Read(read_list(put(text), Row, window_bytes=window_bytes)).ids == [0]
    rows = b'\xef\xbb\xbf \n {"rows": ' + text[3:] + b"}"
    assert Read(read_list(put(rows), Row, key="rows", window_bytes=1)).ids == [0]


@pytest.mark.parametrize(
    "text",
    ["", " ", "{}", "null", "[" * 0 + "7", '{"rows": {}}', '{"rows": 1}', "\x00", '"rows": ['],
)
def test_a_file_of_another_kind_is_refused_in_one_sentence(put: Put, text: str) -> None:
    file = put(text)
    if not text.startswith("{"):
        with pytest.raises(UserError, match=r"file\.json is not"):
            Read(read_mapping(file, Row))
    with pytest.raises(UserError, match=r"file\.json is not a JSON list"):
        Read(read_list(file, Row))
    with pytest.raises(UserError, match=r"file\.json is not a JSON object with the list 'rows'"):
        Read(read_list(file, Row, key="rows"))


@pytest.mark.parametrize("text", ["[]", "[ ]", "[\n]\n"])
def test_an_empty_list_has_no_items_and_no_rejects(put: Put, text: str) -> None:
    read = Read(read_list(put(text), Row))
    assert (read.items, read.rejects) == ([], [])
    read = Read(read_list(put('{"a": 1, "rows": ' + text + "}"), Row, key="rows"))
    assert (read.items, read.rejects) == ([], [])


def test_a_missing_file_is_the_users_mistake(tmp_path: Path) -> None:
    file = RawFile("gone.json", tmp_path / "gone.json")
    for read in (read_list(file, Row), read_mapping(file, Row), read_lines(file, Row)):
        with pytest.raises(UserError, match=r"gone\.json can't be read"):
            list(read)
    with pytest.raises(UserError, match=r"gone\.json can't be read"):
        read_value(file, Row)


def test_texts_can_be_items(put: Put) -> None:
    texts = ['a", "b', "", "c, d", "\u2028", "}, {"]
    for window_bytes in (1, 10, 1000):
        read = Read(read_list(put(json.dumps(texts)), str, window_bytes=window_bytes))
        assert read.items == texts
        assert not read.rejects


def test_a_last_line_without_its_end_is_cut_off(put: Put) -> None:
    good = json.dumps(ROWS[0])
    assert Read(read_lines(put(f"{good}\n{good}"), Row)).positions == [0, 1]
    for size in range(1, len(good)):
        read = Read(read_lines(put(f"{good}\n{good[:size]}"), Row))
        assert read.reasons == [(1, None, "cut-off")], size


def test_lines_are_read_one_by_one(put: Put) -> None:
    good = json.dumps(ROWS[0])
    text = "\n".join([good, "", "{", good, good + good, '{"id": 1, "name": "\\ud800"}', good])
    read = Read(read_lines(put(b"\xef\xbb\xbf" + text.encode()), Row))
    assert read.positions == [0, 3, 6]
    assert read.reasons == [
        (2, None, "malformed-json"),
        (4, None, "malformed-json"),
        (5, None, "lone-surrogate"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "name", "answers", "text", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@SETTINGS
@given(value=JSON, window_bytes=st.integers(1, 100))
def test_arbitrary_json_gives_items_and_rejects_or_one_sentence(
    scratch: Path, value: Any, window_bytes: int
) -> None:
    scratch.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")
    file = RawFile("file.json", scratch)
    try:
        read = Read(read_list(file, Row, window_bytes=window_bytes))
    except UserError:
        assert not isinstance(value, list)
        return
    assert len(read.items) + len(read.rejects) == len(value)


@SETTINGS
@given(data=st.binary(max_size=120), window_bytes=st.integers(1, 64))
def test_arbitrary_bytes_never_end_in_a_traceback(
    scratch: Path, data: bytes, window_bytes: int
) -> None:
    for start in (b"", b"[", b'[{"id": 1, "name": "', b'{"rows": ['):
        scratch.write_bytes(start + data)
        file = RawFile("file.json", scratch)
        for key in (None, "rows"):
            try:
                Read(read_list(file, Row, key=key, window_bytes=window_bytes))
                Read(read_mapping(file, Row, key=key, window_bytes=window_bytes))
            except UserError:
                continue
        with suppress(UserError):  # bytes of another kind of file
            Read(read_lines(file, Row))
