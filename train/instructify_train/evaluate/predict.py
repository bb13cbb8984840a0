"""Answer the questions of a protocol with a model, part by part, in one or several processes.

A part is a fixed range of questions, independent of the number of processes and of the batch size,
so a killed evaluation resumes after the last complete part. An answer does not depend on the other
questions of its batch.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from instructify.pictures import PictureStore
from instructify.protocols import (
    CandidateSet,
    Protocol,
    Question,
    Questions,
    prediction_of,
    value_scores,
)
from instructify_train.data import Pixels
from instructify_train.decode import (
    Decoding,
    Ranking,
    Trie,
    candidate_tokens,
    generate_answers,
    score_candidates,
)
from instructify_train.evaluate.answering import Answerer, Prefixes

PART_QUESTIONS = 32
_MOST_SHOWN = 128  # log-likelihoods that are stored with a prediction
_READERS = 4

Prediction = Mapping[str, Any]


class _Batch(NamedTuple):
    """Questions that are answered in one batch, and the pixels of their pictures by key."""

    part: int
    questions: list[Question]
    pixels: Mapping[str, Pixels]


class Evaluator:
    """Answers the questions of one protocol with a model."""

    def __init__(
        self,
        answerer: Answerer,
        protocol: Protocol,
        questions: Questions,
        store: PictureStore,
        *,
        batch: int,
    ) -> None:
        self._answerer = answerer
        self._protocol = protocol
        self._questions = questions
        self._pixels = answerer.reader(store, protocol.frames)
        self._batch = batch
        self._end: int = answerer.tokenizer.eos_token_id
        self._shared: Trie | None = None  # of a candidate set that all questions share

    @property
    def num_parts(self) -> int:
        """The number of parts of the questions."""
        return -(-len(self._questions.rows) // PART_QUESTIONS)

    def parts(self, wanted: Sequence[int]) -> Iterator[tuple[int, list[Prediction]]]:
        """Answer some parts; a thread decodes the pictures of the next batch in the meantime."""
        for number, batches in groupby(self._loaded(wanted), key=lambda batch: batch.part):
            yield number, [prediction for batch in batches for prediction in self._answered(batch)]

    def _loaded(self, wanted: Sequence[int]) -> Iterator[_Batch]:
        sent: deque[tuple[int, list[Question], dict[str, Future[Pixels]]]] = deque()
        with ThreadPoolExecutor(_READERS) as readers:
            for part, questions in self._batches(wanted):
                keys = dict.fromkeys(key for question in questions for key in question.pictures)
                pixels = {key: readers.submit(self._pixels.read, key, "") for key in keys}
                sent.append((part, questions, pixels))
                if len(sent) > 1:
                    yield _received(*sent.popleft())
            while sent:
                yield _received(*sent.popleft())

    def _batches(self, wanted: Sequence[int]) -> Iterator[tuple[int, list[Question]]]:
        for part in wanted:
            start = part * PART_QUESTIONS
            rows = self._questions.rows[start : start + PART_QUESTIONS]
            for at in range(0, len(rows), self._batch):
                yield part, rows[at : at + self._batch]

    def _answered(self, batch: _Batch) -> list[Prediction]:
        prefixes = self._prefixes(batch)
        if self._protocol.decode.method == "rank":
            answers = self._ranked(batch, prefixes)
        else:
            answers = self._searched(batch, prefixes)
        return [
            {"id": question.id, **answer, **_prompt(question)}
            for question, answer in zip(batch.questions, answers, strict=True)
        ]

    def _prefixes(self, batch: _Batch) -> Prefixes:
        places: dict[str, range] = {}
        num_frames = 0
        for key, pixels in batch.pixels.items():
            places[key] = range(num_frames, num_frames + len(pixels))
            num_frames += len(pixels)
        return self._answerer.prefixes(
            self._answerer.features(np.concatenate([*batch.pixels.values()])),
            [
                [at for key in question.pictures for at in places[key]]
                for question in batch.questions
            ],
            [question.instruction for question in batch.questions],
            [question.qformer_instruction for question in batch.questions],
        )

    def _ranked(self, batch: _Batch, prefixes: Prefixes) -> list[Prediction]:
        protocol = self._protocol
        sets, numbers = self._sets(batch)
        scores = score_candidates(
            self._answerer.language_model,
            prefixes.embeds_BLH,
            prefixes.mask_BL,
            self._trie(sets, end=None),
            Ranking(mode=protocol.decode.mode, segments=protocol.decode.segments),
            end_token=self._end,
            sets=numbers,
        )
        merge = "max" if protocol.candidates is None else protocol.candidates.merge
        predictions: list[Prediction] = []
        for row, number in zip(scores, numbers, strict=True):
            candidates = sets[number]
            answer = prediction_of(row, candidates, merge=merge, metric=protocol.metric)
            if "scores" not in answer and len(candidates.values) <= _MOST_SHOWN:
                answer["log_likelihoods"] = value_scores(row, candidates, merge).tolist()
            predictions.append(answer)
        return predictions

    def _searched(self, batch: _Batch, prefixes: Prefixes) -> list[Prediction]:
        decode = self._protocol.decode
        sets, numbers = self._sets(batch)
        restricts = decode.method == "restrict"
        decoding = Decoding(
            beams=decode.beams,
            max_new_tokens=decode.max_new_tokens,
            min_new_tokens=decode.min_new_tokens,
            length_penalty=decode.length_penalty,
            repetition_penalty=decode.repetition_penalty,
            restrict=self._trie(sets, end=self._end) if restricts else None,
        )
        answers = generate_answers(
            self._answerer.language_model,
            self._answerer.tokenizer,
            prefixes.embeds_BLH,
            prefixes.mask_BL,
            decoding,
            sets=numbers if restricts else None,
        )
        if not restricts:
            return [{"prediction": answer[0].text.strip()} for answer in answers]
        chosen = [answer[0].candidate or 0 for answer in answers]
        return [
            {"prediction": sets[number].values[sets[number].stands_for[at]]}
            for at, number in zip(chosen, numbers, strict=True)
        ]

    def _sets(self, batch: _Batch) -> tuple[list[CandidateSet], list[int]]:
        """Number the candidate sets of a batch in the order of their first use."""
        set_numbers = [question.candidates for question in batch.questions]
        distinct = list(dict.fromkeys(number for number in set_numbers if number is not None))
        numbers = [distinct.index(number) for number in set_numbers if number is not None]
        return [self._questions.sets[number] for number in distinct], numbers

    def _trie(self, sets: Sequence[CandidateSet], *, end: int | None) -> Trie:
        if self._shared is not None:
            return self._shared
        tokens = [
            candidate_tokens(self._answerer.tokenizer, candidate_set.texts)
            for candidate_set in sets
        ]
        trie = Trie.of_sets(tokens, end=end)
        if len(self._questions.sets) == 1:
            self._shared = trie
        return trie


def _received(part: int, questions: list[Question], pixels: Mapping[str, Future[Pixels]]) -> _Batch:
    return _Batch(part, questions, {key: future.result() for key, future in pixels.items()})


def _prompt(question: Question) -> dict[str, str]:
    qformer_instruction = question.qformer_instruction
    prompt = {"instruction": question.instruction}
    return (
        prompt
        if qformer_instruction is None
        else {**prompt, "qformer_instruction": qformer_instruction}
    )
