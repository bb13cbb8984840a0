"""Visual Dialog v1.0: a record for each round, with the earlier rounds as history.

Every round with an answer or options is a record: ten for each dialogue in train and val. In test
the earlier rounds have an answer but no options, and the last round has options but no answer. The
raw id is `<image_id>-<round>`, with rounds counted from 1. The relevance of options comes from the
file of dense annotations, if it exists. Texts are looked up for many rounds at once, in
`visdial_rounds`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify.readers.arrow import lists_of, numbered
from instructify.readers.base import (
    Chunk,
    Option,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
    Survey,
    record_batch,
)
from instructify.readers.capfilt_plan import Urls
from instructify.readers.json_items import read_list
from instructify.readers.text import clean_caption
from instructify.readers.visdial_rounds import (
    Dialog,
    Rounds,
    flatten,
    history_of,
    options_of,
    usable,
)
from instructify.readers.visdial_tables import Table, Tables, read_tables
from instructify.rejects import Reject

_GROUP = 1024  # dialogues in a chunk: about ten thousand records and a million options

_Relevance = Mapping[tuple[int, int], tuple[int, Sequence[float]]]


class _Dense(msgspec.Struct, frozen=True, gc=False):
    image_id: int
    round_id: int  # from 1
    gt_relevance: list[Annotated[float, msgspec.Meta(ge=0, le=1)]] | None = None
    relevance: list[Annotated[float, msgspec.Meta(ge=0, le=1)]] | None = None  # so called in train


def _read(context: ReadContext) -> Iterator[Chunk]:
    data = context.files["data"]
    planned = context.planned
    tables = read_tables(data) if planned is None else Tables.load(planned.folder)
    relevance, bad_dense = _read_dense(context)
    if data.span is None or not data.span.start:  # not in each range again
        yield Chunk(record_batch(0), [*tables.rejects, *bad_dense])
    for items in read_list(data, Dialog, key="data.dialogs"):
        yield Chunk(record_batch(0), items.rejects)
        for start in range(0, len(items.items), _GROUP):
            chosen = slice(start, start + _GROUP)
            rounds = flatten(items.items[chosen], items.positions[chosen])
            yield _to_chunk(context, rounds, tables.questions, tables.answers, relevance)


def _share(context: ReadContext, urls: Iterable[Urls]) -> Tables:
    return read_tables(context.files["data"])


def _read_dense(context: ReadContext) -> tuple[_Relevance, list[Reject]]:
    """Read the dense annotations by image and round, each with its position in the file."""
    file = context.files.get("dense")
    relevances: dict[tuple[int, int], tuple[int, Sequence[float]]] = {}
    rejects: list[Reject] = []
    if file is None or context.options.get("dense") == "off":
        return relevances, rejects
    for items in read_list(file, _Dense):
        rejects.extend(items.rejects)
        for position, item in zip(items.positions, items.items, strict=True):
            values = item.relevance if item.gt_relevance is None else item.gt_relevance
            if values is None:
                detail = "neither `gt_relevance` nor `relevance`"
                rejects.append(Reject(file.name, position, "relevance", "missing-field", detail))
            else:
                relevances[item.image_id, item.round_id] = (position, values)
    return relevances, rejects


def _to_chunk(
    context: ReadContext, rounds: Rounds, questions: Table, answers: Table, relevance: _Relevance
) -> Chunk:
    data = context.files["data"]
    rows, rejects = usable(rounds, questions, answers, data.name)
    dialogs = [rounds.dialogs[owner] for owner in rounds.owner[rows]]
    image_ids = pa.array([dialog.image_id for dialog in dialogs], pa.int64())
    raw_ids = pc.binary_join_element_wise(
        numbered(f"{context.dataset}/{context.split}/", image_ids),
        numbered("", pa.array(rounds.turn[rows] + 1)),
        "-",
    )
    answer_numbers = rounds.answer[rows]
    answer = answers.take(answer_numbers)
    dense, bad_dense = _relevance_of(context, rounds, rows, relevance)
    records = record_batch(
        len(rows),
        record_id=raw_ids,
        form="dialog",
        pictures=lists_of(numbered(_family(context.split), image_ids, 12), np.ones_like(rows)),
        question=questions.take(rounds.question[rows]),
        answer=answer,
        references=_references(answer),
        choices=options_of(rounds, rows, answers),
        choice_index=pa.array(rounds.gt_index[rows], mask=rounds.gt_index[rows] < 0),
        caption=[clean_caption(dialog.caption or "") or None for dialog in dialogs],
        history=history_of(rounds, rows, questions, answers),
        relevance=pa.array(dense, pa.list_(pa.float32())),
        source=data.name,
        position=np.asarray(rounds.positions, np.int64)[rounds.owner[rows]],
    )
    return Chunk(records, rejects + bad_dense)


def _family(split: str) -> str:
    """Return the picture family: COCO for train, and the release's own pictures for others."""
    return "coco/" if split == "train" else f"visdial/VisualDialog_{split}2018_"


def _references(answer: pa.Array) -> pa.Array:
    known = pc.is_valid(answer).to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], np.cumsum(known))).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), answer.drop_null(), mask=pa.array(~known, pa.bool_())
    )


def _relevance_of(
    context: ReadContext, rounds: Rounds, rows: np.ndarray, relevance: _Relevance
) -> tuple[list[Sequence[float] | None], list[Reject]]:
    """Look up the relevance of each round's options; one of another length is a reject."""
    relevances: list[Sequence[float] | None] = [None] * len(rows)
    rejects: list[Reject] = []
    if not relevance:
        return relevances, rejects
    file: RawFile = context.files["dense"]
    for index, row in enumerate(rows):
        key = (rounds.dialogs[rounds.owner[row]].image_id, int(rounds.turn[row]) + 1)
        if key not in relevance:
            continue
        position, values = relevance[key]
        num_options = max(0, int(rounds.num_options[row]))
        if len(values) == num_options:
            relevances[index] = values
        else:
            detail = f"{len(values)} numbers for {num_options} options"
            rejects.append(Reject(file.name, position, "relevance", "bad-value", detail))
    return relevances, rejects


READER = Reader(
    name="visdial",
    version=1,
    read=_read,
    options={
        "dense": Option(
            kind="choice",
            help="join the dense annotations (relevance of the options) where their file is there",
            choices=("auto", "off"),
            needs="dense",
        )
    },
    places=("data.dialogs",),
    ranges=Ranges(places={"data": "data.dialogs"}, survey=Survey(None, _share)),
)
