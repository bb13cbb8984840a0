"""Find texts of an instruction that run together, because a tokenizer drops what separates them.

Every field is filled with words that occur nowhere else and end without a mark. Two fields run
together if moving a word from one to the other changes nothing that a tokenizer reads. A field and
the template's own words run together if only white space separates them, unless a label follows
("Answer:"). A space may follow a question, since most questions end with a mark.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from instructify.lint.as_read import as_bert_reads, as_t5_reads
from instructify.templating import Program, RenderError

Path = tuple[str | int, ...]
Row = Mapping[str, Any]

_SLOT = re.compile(r"(slot\d+)x (\1)y")
_LABEL = re.compile(r"\W*\w+(?:[ '/()-]+\w+){0,4}\)?:")  # at most five words
_WORD = re.compile(r"\w")
_TURN = ("question", "answer")
_KEPT = ("choice_index", "references", "pictures", "form")  # printed by nobody, or no text


class Join(NamedTuple):
    """A place where two texts run together: the fields on both sides, None for template words."""

    before: str | None
    after: str | None
    what: str


def joins(program: Program, rows: Sequence[Row], constants: Row) -> list[Join]:
    """List the texts that run together, each pair once."""
    distinct: dict[tuple[str | None, str | None], Join] = {}
    judged: set[tuple[Path, Path]] = set()
    for row in rows:
        for join in _joins(program, row, constants, judged):
            distinct.setdefault((join.before, join.after), join)
    return list(distinct.values())


def _joins(
    program: Program, row: Row, constants: Row, judged: set[tuple[Path, Path]]
) -> Iterator[Join]:
    paths = [path for name in sorted(program.names & row.keys()) for path in _paths(name, row)]
    texts = {path: f"slot{number}x slot{number}y" for number, path in enumerate(paths)}
    text = _rendered(program, row, constants, texts)
    if text is None:
        return
    shown = [(match.span(), paths[int(match[1][4:])]) for match in _SLOT.finditer(text)]
    before: Path | None = None
    start = 0
    for (first, last), path in shown:
        yield from _at_words(text[start:first], before, path)
        if before is not None and before != path and (before, path) not in judged:
            judged.add((before, path))
            if _is_moved_unseen(program, row, constants, texts, (before, path)):
                what = f"{_named(before)} and {_named(path)} run together"
                yield Join(_field(before), _field(path), what)
        before, start = path, last
    yield from _at_words(text[start:], before, None)


def _paths(name: str, row: Row) -> Iterator[Path]:
    """Name the texts of a field: itself, its items, or the parts of its turns."""
    value = row[name]
    if isinstance(value, str):
        yield (name,)
    elif isinstance(value, list) and name not in _KEPT:
        for at, item in enumerate(value):
            yield from (
                ((name, at, part) for part in _TURN) if isinstance(item, dict) else ((name, at),)
            )


def _rendered(program: Program, row: Row, constants: Row, texts: Mapping[Path, str]) -> str | None:
    values: dict[str, Any] = {name: row.get(name, constants.get(name)) for name in program.names}
    for name in program.names & row.keys():
        value = row[name]
        if isinstance(value, str):
            values[name] = texts[name,]
        elif isinstance(value, list) and name not in _KEPT:
            values[name] = [
                {part: texts[name, at, part] for part in _TURN}
                if isinstance(item, dict)
                else texts[name, at]
                for at, item in enumerate(value)
            ]
    try:
        return program.render(values)
    except RenderError:
        return None  # reported as such


def _is_moved_unseen(
    program: Program,
    row: Row,
    constants: Row,
    texts: Mapping[Path, str],
    pair: tuple[Path, Path],
) -> bool:
    """Move the last word of one text to the front of the next, and compare what is read."""
    before, after = pair
    kept, moved = texts[before].split()
    other = {**texts, before: kept, after: f"{moved} {texts[after]}"}
    first, second = (_rendered(program, row, constants, each) for each in (texts, other))
    if first is None or second is None:
        return False
    return any(read(first) == read(second) for read in (as_bert_reads, as_t5_reads))


def _at_words(gap: str, before: Path | None, after: Path | None) -> Iterator[Join]:
    """Check the template's words between two fields, and the line breaks among them."""
    if not gap.strip():
        return
    head, tail = gap.lstrip(), gap.rstrip()
    lead, trail = gap[: len(gap) - len(head)], gap[len(tail) :]
    parts = "\n" in lead or before != ("question",)
    if before is not None and lead and parts and _runs_on(head):
        what = f"{_named(before)} runs into the words '{_few(head)}'"
        yield Join(_field(before), None, what)
    if after is not None and "\n" in trail and _WORD.match(tail[-1]):
        what = f"the words '{_last(tail)}' run into {_named(after)}"
        yield Join(None, _field(after), what)
    lines = [line.strip() for line in gap.strip().split("\n")]
    for previous, next_line in pairwise(lines):
        if previous and next_line and _WORD.match(previous[-1]) and _runs_on(next_line):
            yield Join(None, None, f"the words '{_last(previous)}' run into '{_few(next_line)}'")


def _runs_on(words: str) -> bool:
    """Return whether words continue a sentence: they begin with neither a mark nor a label."""
    return bool(_WORD.match(words[0])) and not _LABEL.match(words)


def _field(path: Path) -> str:
    return str(path[0])


def _named(path: Path) -> str:
    name = path[0]
    if len(path) == 3:
        return f"a turn's {path[2]}"
    return f"'{name}'" if len(path) == 1 else f"an item of '{name}'"


def _few(words: str) -> str:
    return " ".join(words.split()[:3])


def _last(words: str) -> str:
    return " ".join(words.split()[-3:])
