"""The conditions of a template on a record beside its form.

`requires` and `excludes` test whether fields are present; `begins` and `unless_begins` test the
first words of a text, ignoring ASCII case; `at_most_words` counts words separated by spaces, tabs
and line ends. `condition_columns` tests whole columns, with the same results.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from instructify.templating.model import Beginnings, Limits, Template
from instructify.templating.own_values import value_of

PICTURES = "pictures"
SPACES = " \t\n\r"  # what separates words
_ONE_WORD = f"[^{SPACES}]+"


class Condition(NamedTuple):
    """The conditions on a record; most templates of a task have the same ones."""

    forms: tuple[str, ...]
    requires: tuple[str, ...]
    excludes: tuple[str, ...]
    begins: Beginnings
    unless_begins: Beginnings
    at_most_words: Limits


def condition_of(template: Template) -> Condition:
    """Return a template's condition."""
    return Condition(
        template.forms,
        template.requires,
        template.excludes,
        template.begins,
        template.unless_begins,
        template.at_most_words,
    )


def misfit(template: Template, row: Mapping[str, Any]) -> str | None:
    """Return why a record of a fitting form may not draw a template; None if it may.

    A field that `row` lacks is null, except for pictures: these count as whatever the template
    requires.
    """
    has = {name for name, value in row.items() if value not in (None, "", [])}
    has |= {name for name in template.fields if value_of(row, name)}
    known = template.requires if PICTURES in row else set(template.requires) - {PICTURES}
    lacks = [name for name in template.requires if name in known and name not in has]
    if lacks:
        return f"needs {', '.join(lacks)}"
    unwanted = [name for name in template.excludes if name in has]
    if unwanted:
        return f"not with {', '.join(unwanted)}"
    for name, words in template.begins:
        if not _begins(value_of(row, name), words):
            return f"needs a {name} that begins with {_listed(words)}"
    for name, words in template.unless_begins:
        if _begins(value_of(row, name), words):
            return f"not with a {name} that begins with {_listed(words)}"
    for name, most in template.at_most_words:
        if _num_words(value_of(row, name)) > most:
            return f"not with {'an' if name[0] in 'ao' else 'a'} {name} of more than {most} words"
    return None


def begins_with(words: Sequence[str]) -> Callable[[bytes], bool]:
    """Return a test whether a text in UTF-8 begins with any of some words."""
    match = re.compile(f"(?:{'|'.join(words)})(?:[^a-z0-9]|$)".encode()).match
    return lambda text: match(text.lower()) is not None  # bytes.lower leaves all but ASCII alone


def _begins(value: object, words: Sequence[str]) -> bool:
    if not isinstance(value, str):
        return False
    return begins_with(words)(value.encode("utf-8", "surrogatepass"))


def _num_words(value: object) -> int:
    """Count the words of a text; a null has none."""
    return len(re.findall(_ONE_WORD, value)) if isinstance(value, str) else 0


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(words[:3])
    return f"{shown} ..." if len(words) > 3 else shown
