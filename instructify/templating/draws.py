"""The template that each draw of a record uses: a function of record, seed and draw alone.

Every fitting template is equally likely; the draws of a record use different templates, as many as
fit the record.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify._util.keyed import Hashes, mix, permuted_index
from instructify.templating.condition_columns import ColumnConditions
from instructify.templating.conditions import condition_of
from instructify.templating.model import Template

NO_TEMPLATE = -1  # none fits
NONE_LEFT = -2  # all that fit were drawn before


def draw_templates(hashes: Hashes, draw: int, num: int, seed: int) -> NDArray[np.int64]:
    """Draw one of `num` fitting templates for each record hash.

    `hashes` are `keyed.hash_texts` of record ids. Draws 0 ... num - 1 of a record are a permutation
    of its templates; the next `num` are another one.
    """
    round_, place = divmod(draw, num)
    return permuted_index(mix(hashes, "template", seed, round_), place, num)


def choose_templates(
    table: pa.RecordBatch | pa.Table,
    templates: Sequence[Template],
    hashes: Hashes,
    *,
    draws: int,
    seed: int,
) -> NDArray[np.int64]:
    """Choose for each row, by draw, among the templates that fit its form and fields.

    Returns: numbers of templates, rows by draws. NO_TEMPLATE if none fits; NONE_LEFT if no more
    than `draw` templates fit, since a record draws a template only once.
    """
    chosen = np.full((table.num_rows, draws), NO_TEMPLATE, np.int64)
    for group in _groups(table, templates):
        num = len(group.fitting)
        for draw in range(min(draws, num)):
            drawn = draw_templates(hashes[group.rows], draw, num, seed)
            chosen[group.rows, draw] = group.fitting[drawn]
        chosen[group.rows, num:] = NONE_LEFT
    return chosen


class _Group(NamedTuple):
    """Rows that the same templates fit, and the numbers of these templates, at least one."""

    rows: NDArray[np.int64]
    fitting: NDArray[np.int64]


def _groups(table: pa.RecordBatch | pa.Table, templates: Sequence[Template]) -> Iterator[_Group]:
    conditions = [condition_of(template) for template in templates]
    distinct = list(dict.fromkeys(conditions))
    kind_of = np.array([distinct.index(condition) for condition in conditions], np.int64)
    # One bit per condition, packed into bytes: equal bytes, equal templates.
    columns = ColumnConditions(table)
    bits = np.stack([columns.fulfilled(condition) for condition in distinct], axis=1)
    packed = np.packbits(bits, axis=1)
    codes = np.zeros(table.num_rows, np.int64)
    for byte in packed.T:
        codes = _compact(codes * 256 + byte)
    for code in range(int(codes.max(initial=-1)) + 1):
        rows = np.flatnonzero(codes == code)
        fitting = np.flatnonzero(bits[rows[0]][kind_of])
        if len(fitting):
            yield _Group(rows, fitting)


def _compact(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber codes as 0, 1, 2 ... without sorting the rows."""
    used = np.bincount(codes, minlength=1) > 0
    return (np.cumsum(used) - 1)[codes]
