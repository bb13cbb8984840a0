"""The step between records and pictures: note inputs without effect, or stop for serious ones."""

import sys
from collections.abc import Iterator, Sequence

import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.shards import read_arrow
from instructify.build.coverage import OCR_OPTION, vocabulary_use
from instructify.build.effects import Covered, effects_of, unnamed_ocr
from instructify.build.own_fields import own_field_notes
from instructify.build.raw import RawSplit
from instructify.build.request import ConvertRequest, ocr_file
from instructify.build.state import SplitState
from instructify.templating import PARTS


def run_effect_stage(
    request: ConvertRequest, splits: Sequence[RawSplit], states: Sequence[SplitState]
) -> None:
    """Add notes to the states; raises UserError if a conversion should not continue.

    With `--limit` or `--max-rejects` it always continues: a few records may have no values from a
    side file, and a user who allows rejects wants all that can be converted. A file that is cut off
    is refused later, since its end is the cause of what is missing.
    """
    ocr = ocr_file(request)
    lenient = request.limit is not None or request.max_rejects is not None
    covered: list[Covered] = []
    for raw, state in zip(splits, states, strict=True):
        split = Covered(
            raw=raw,
            ocr=ocr,
            records=state.records,
            coverage=state.coverage,
            vocabulary=_vocabulary(request, state),
        )
        covered.append(split)
        for effect in effects_of(split):
            if effect.stops and not lenient and not state.record_rejects["cut-off"]:
                raise UserError(f"{split.name}: {effect.detail}; {effect.remedy}.")
            state.notes.append(effect.detail)
        state.notes.extend(own_field_notes(request, state))
    problem = None if ocr is None else unnamed_ocr(ocr, covered, _example(states))
    cut = any(state.record_rejects["cut-off"] for state in states)
    if problem is not None and not lenient and not cut:
        raise UserError(problem)
    if problem is not None:
        print(problem, file=sys.stderr)


def unprinted_tokens(
    request: ConvertRequest, states: Sequence[SplitState]
) -> Iterator[tuple[str, str]]:
    """Yield splits whose pictures are in the user's OCR file, but whose samples show no tokens.

    Yields the name of the split and the task whose templates print no OCR tokens.
    """
    for state in states:
        use = state.coverage.sides.get(OCR_OPTION)
        if use is None or not use.named:
            continue
        programs = [
            template.program(part)
            for template in request.templates.for_task(state.entry.task, dataset=state.dataset)
            for part in PARTS
        ]
        if not any(program is not None and "ocr_tokens" in program.names for program in programs):
            yield state.name, state.entry.task


def _example(states: Sequence[SplitState]) -> str | None:
    """Return the key of a picture of the records."""
    for shard in (shard for state in states for shard in state.record_shards):
        keys = pc.list_flatten(read_arrow(shard.path).column("pictures").slice(0, 1))
        if len(keys):
            return str(keys[0].as_py())
    return None


def _vocabulary(request: ConvertRequest, state: SplitState) -> tuple[int, int, int] | None:
    """Count the answers of a split that are in the vocabulary made of other splits."""
    candidates = request.catalog.dataset(state.dataset).candidates
    if candidates is None or candidates.kind != "vocabulary" or state.candidates is None:
        return None
    inside = answers = 0
    for shard in state.record_shards:
        for chunk in read_arrow(shard.path).column("answer").chunks:
            num_matches, num_answers = vocabulary_use(chunk, state.candidates)
            inside, answers = inside + num_matches, answers + num_answers
    return inside, answers, len(state.candidates)
