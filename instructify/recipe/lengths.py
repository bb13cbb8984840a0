"""The lengths of each member's instructions and responses, in words separated by white space.

When a mixture is planned, no tokenizer is chosen yet. For large members, evenly spread batches are
counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify.recipe.members import MixedBuild
from instructify.recipe.sample_index import valid_batches

_COUNTED_BATCHES = 24  # per dataset; of up to 4,096 samples each
Counts = NDArray[np.int64]


class Words(NamedTuple):
    """Numbers of words of some samples of a member, at least one."""

    instruction: Counts
    response: Counts


def count_words(mixed: MixedBuild) -> Mapping[str, Words]:
    """Count the words of each member's samples, by the name of the member."""
    counted: dict[str, Words] = {}
    for part in mixed.parts:
        if part.member.name in counted:
            continue
        of_forms = _of_forms(part.index.shards)
        for other_part in mixed.parts:
            if other_part.dataset == part.dataset:
                none = Words(np.zeros(1, np.int64), np.zeros(1, np.int64))
                counted[other_part.member.name] = of_forms.get(other_part.form, none)
    return counted


def _of_forms(shards: Sequence[Path]) -> dict[str, Words]:
    by_form: dict[str, list[Words]] = {}
    for batch in _spread(shards):
        answered = batch.column("response").is_valid().to_numpy(False)
        instruction, response = (_words(batch, name) for name in Words._fields)
        forms = batch.column("form")
        codes = forms.indices.to_numpy(zero_copy_only=False)
        for code, form in enumerate(forms.dictionary.to_pylist()):
            in_form = (codes == code) & answered
            if in_form.any():
                by_form.setdefault(form, []).append(Words(instruction[in_form], response[in_form]))
    return {
        form: Words(*(np.concatenate(columns) for columns in zip(*words, strict=True)))
        for form, words in by_form.items()
    }


def _words(batch: pa.RecordBatch, column: str) -> Counts:
    """Count words; an empty text has none."""
    texts = pc.utf8_trim_whitespace(batch.column(column))
    words = pc.list_value_length(pc.utf8_split_whitespace(texts))
    counts = pc.if_else(pc.equal(pc.utf8_length(texts), 0), 0, words)
    numbers: Counts = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _spread(shards: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """Return all batches, or evenly spread ones if there are more than are counted."""
    columns = ("instruction", "response", "form")
    batches = [batch for shard in shards for batch in valid_batches(shard, columns)]
    places = np.linspace(0, len(batches) - 1, min(len(batches), _COUNTED_BATCHES))
    for place in places.astype(np.int64):
        yield batches[place]
