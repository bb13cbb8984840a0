"""The content of a page as plain values: the list of samples, and the details of each sample."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from instructify.build import DatasetEntry, SplitEntry
from instructify.inspecting.gather import Shown
from instructify.inspecting.pictures import PagePictures
from instructify.inspecting.raw import Position
from instructify.inspecting.rejects import Rejected, meaning
from instructify.inspecting.renderings import Side
from instructify.inspecting.tokens import Cut, Reading, TokenReader
from instructify.schema import PROVENANCE

_LISTED = ("dataset", "split", "task", "form", "template")
_MOST_REFERENCES = 12  # that the search covers


def list_value(shown: Shown, pictures: PagePictures, *, is_cut: bool | None) -> dict[str, Any]:
    """Return the values of a sample for the list and the search.

    `words` is the text of the dataset without the template around it. `is_cut` is None if it is not
    known whether truncation cuts the sample.
    """
    sample = shown.sample
    return {
        "id": sample["sample_id"],
        **{name: sample[name] for name in _LISTED},
        "pictures": [pictures.number(key) for key in sample["pictures"]],
        "words": _own_words(shown),
        "cut": None if is_cut is None else "cut" if is_cut else "whole",
        "instruction": sample["instruction"],
        "qformer": sample["qformer_instruction"],
        "response": sample["response"],
        "references": (sample["references"] or [])[:_MOST_REFERENCES],
    }


def _own_words(shown: Shown) -> str | None:
    """Return the text of the dataset: the question, or the answer if the response is a question."""
    record = shown.record
    question: str | None = record["question"]
    if question is not None and question == shown.sample["response"]:
        question = record["answer"]
    return question if question is not None else record["text"]


def detail_value(
    shown: Shown,
    entry: DatasetEntry,
    split: SplitEntry,
    sides: Sequence[Side],
    reading: Reading | None,
    raw: int | None,
) -> dict[str, Any]:
    """Return the values that the page shows when a sample is opened."""
    sample, record = shown
    return {
        "references": sample["references"],
        "candidates": sample["candidates"],
        "candidate_set": sample["candidate_set"],
        "choice_index": sample["choice_index"],
        "record": {name: value for name, value in record.items() if value is not None},
        "raw": raw,
        "sides": [_side_value(side, sample["response"]) for side in sides],
        "provenance": {
            "draw": f"{sample['draw']} of {split.draws}",
            **{name: sample[name] for name in PROVENANCE if sample[name] is not None},
            "seed": split.seed,
            "options": dict(entry.options) or None,
        },
        "role": entry.role,
        "reading": None if reading is None else _reading_value(reading),
    }


def _side_value(side: Side, response: str | None) -> list[Any]:
    """Return a rendering as a list; 0 stands for a response equal to that of the sample."""
    return [*side[:3], 0 if side.response == response else side.response, side.why_not]


def _reading_value(reading: Reading) -> dict[str, Any]:
    def cut(part: Cut) -> list[Any] | None:
        return [part.at, list(part.ids)] if part.ids else None

    return {
        "qformer": list(reading.qformer),
        "slots": reading.slots,
        "language": list(reading.language),
        "decoder": None if reading.decoder is None else list(reading.decoder),
        "at": list(reading.label_positions),
        "say": list(reading.label_ids),
        "breaks": list(reading.lost_breaks),
        "cut": [cut(reading.cut_qformer), cut(reading.cut_instruction), cut(reading.cut_response)],
    }


def vocabulary(reader: TokenReader, readings: Sequence[Reading | None]) -> dict[str, Any]:
    """Return the spelling of every id that occurs: {tokenizer: {id: [text, is it special]}}."""
    qformer: set[int] = set()
    language: set[int] = set()
    for reading in readings:
        if reading is not None:
            qformer.update(reading.qformer, reading.cut_qformer.ids)
            language.update(reading.language, reading.decoder or (), reading.label_ids)
            language.update(reading.cut_instruction.ids, reading.cut_response.ids)
    spelled = {}
    for name, ids in (("qformer", sorted(qformer)), ("language", sorted(language))):
        pieces = reader.pieces(name, ids)
        spelled[name] = {
            str(number): [piece.text, int(piece.is_special)]
            for number, piece in zip(ids, pieces, strict=True)
        }
    return spelled


def reject_value(
    rejected: Rejected, pictures: PagePictures, raw: Callable[[Position], int | None]
) -> dict[str, Any]:
    """Return the values of a reject."""
    place = rejected.place
    value: Mapping[str, Any] = {
        **{
            name: getattr(rejected, name)
            for name in ("dataset", "split", "reason", "source", "position", "field", "detail")
        },
        "record": rejected.record_id,
        "meaning": meaning(rejected.reason),
        "pictures": [pictures.number(key) for key in rejected.pictures],
        "raw": None if place is None else raw(place),
    }
    return dict(value)
