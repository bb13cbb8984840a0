"""Train the language model on the text of the twins; three of four lessons describe a picture.

A description has one position for each phrase, whose vector is the sum of the embeddings of its
words. These positions are where the query tokens of a picture are later, which also hold several
facts in one vector. Half of the descriptions cover the whole picture, half are one sentence that
answers the question. The remaining lessons have no description, so that the model also learns to
answer without one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from instructify.twins import Dice
from instructify_train.tiny.presets import Loaded
from instructify_train.tiny.tower_training import fit_tower
from instructify_train.tiny.twin_text import Lesson, lessons

BATCH = 64
RATE = 3e-3
BLIND_RATE = 0.25
REMARK_RATE = 0.5
MOST_INSTRUCTION, MOST_RESPONSE = 96, 64
_POOL = 16  # batches sorted by length together
EXAM_LESSONS = 512
_EXAM = 1_000_000_000  # lessons from here on are for evaluation only
IGNORED = -100

Phrases = tuple[tuple[int, ...], ...]


class Text(NamedTuple):
    """A lesson as token ids, with the token ids of each phrase of its description."""

    phrases: Phrases
    instruction: tuple[int, ...]
    response: tuple[int, ...]
    kind: str


class Marks(NamedTuple):
    """Results of the language model on lessons that it was not trained on.

    `loss` is the mean over response tokens. Accuracies count exact matches of whole answers of at
    most three tokens; `blind` is the accuracy on lessons without a description.
    """

    loss: float
    accuracy: float
    blind: float
    kinds: dict[str, float]


class Reader:
    """Tokenises lessons; each phrase is tokenised once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, is_decoder: bool) -> None:
        self._tokenizer = tokenizer
        self._first = (tokenizer.bos_token_id,) if is_decoder else ()
        self._last = () if is_decoder else (tokenizer.eos_token_id,)
        self._phrases: dict[str, tuple[int, ...]] = {}

    def read(self, lesson: Lesson, picture: Sequence[str]) -> Text:
        """Tokenise a lesson; `picture` are the phrases that describe its picture."""
        return Text(
            tuple(self._phrase(phrase) for phrase in picture),
            (*self._first, *self._ids(lesson.instruction)[-MOST_INSTRUCTION:], *self._last),
            (*self._ids(lesson.response)[: MOST_RESPONSE - 1], self._tokenizer.eos_token_id),
            lesson.kind,
        )

    def _phrase(self, text: str) -> tuple[int, ...]:
        known = self._phrases.get(text)
        if known is None:
            known = self._phrases[text] = tuple(self._ids(text))
        return known

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids


def teach_language(loaded: Loaded, *, steps: int, seed: int, on_step: Any) -> None:
    """Train the language model in place; `on_step(step, loss)` is called after each step."""
    model = loaded.model.language_model
    batches = _batches(loaded, seed)

    def loss_of(step: int) -> torch.Tensor:
        logits_NV, labels_N, _ = answer(loaded, next(batches))
        return functional.cross_entropy(logits_NV, labels_N)

    model.train()
    fit_tower(model.parameters(), loss_of, steps=steps, rate=RATE, on_step=on_step)
    model.eval()


def examine_language(loaded: Loaded, *, seed: int, num: int | None = None) -> Marks:
    """Evaluate the language model on lessons that it was not trained on."""
    reader = _reader(loaded)
    asked = [lesson for lesson, _ in _take(_stream(seed, _EXAM), num or EXAM_LESSONS)]
    seen = _exam(loaded, [reader.read(lesson, lesson.picture) for lesson in asked])
    blind = _exam(loaded, [reader.read(lesson, ()) for lesson in asked])
    return Marks(seen.loss, seen.accuracy, blind.accuracy, seen.kinds)


def answer(loaded: Loaded, texts: Sequence[Text]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return the logits of all response tokens, the tokens, and the index of each one's text."""
    if loaded.model.config.use_decoder_only_language_model:
        return _answer_decoder(loaded.model.language_model, texts)
    return _answer_encoder(loaded.model.language_model, texts)


def _answer_decoder(
    model: Any, texts: Sequence[Text]
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    inputs, mask = _embed(model, texts, [(*text.instruction, *text.response) for text in texts])
    hidden = model.model(inputs_embeds=inputs, attention_mask=mask).last_hidden_state
    rows, columns, labels = [], [], []
    for row, text in enumerate(texts):
        first = len(text.phrases) + len(text.instruction) - 1
        for place, token in enumerate(text.response):
            rows.append(row)
            columns.append(first + place)
            labels.append(token)
    return model.lm_head(hidden[rows, columns]), torch.tensor(labels), rows


def _answer_encoder(
    model: Any, texts: Sequence[Text]
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    inputs, mask = _embed(model, texts, [text.instruction for text in texts])
    longest = max(len(text.response) for text in texts)
    labels = torch.full((len(texts), longest), IGNORED)
    for row, text in enumerate(texts):
        labels[row, : len(text.response)] = torch.tensor(text.response)
    logits = model(inputs_embeds=inputs, attention_mask=mask, labels=labels).logits
    known = labels != IGNORED
    return logits[known], labels[known], known.nonzero()[:, 0].tolist()


def _embed(
    model: Any, texts: Sequence[Text], words: Sequence[tuple[int, ...]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Embed phrases and then words, padded on the right: embeddings [B, L, H] and mask [B, L]."""
    table = model.get_input_embeddings()
    lengths = [len(text.phrases) + len(ids) for text, ids in zip(texts, words, strict=True)]
    # Each position sums the embeddings of a phrase's words, or has that of a single word.
    bags = [
        bag
        for text, ids in zip(texts, words, strict=True)
        for bag in (*text.phrases, *((token,) for token in ids))
    ]
    offsets = torch.tensor([0, *(len(bag) for bag in bags[:-1])]).cumsum(0)
    flat = torch.tensor([token for bag in bags for token in bag])
    vectors = functional.embedding_bag(flat, table.weight, offsets, mode="sum")
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    inputs = vectors.new_zeros(*mask.shape, vectors.shape[1])
    inputs = inputs.masked_scatter(mask[:, :, None], vectors)
    return inputs, mask.long()


def _reader(loaded: Loaded) -> Reader:
    config = loaded.model.config
    return Reader(loaded.processor.tokenizer, is_decoder=config.use_decoder_only_language_model)


def _stream(seed: int, first: int = 0) -> Iterator[tuple[Lesson, Dice]]:
    """Yield lessons, each with its random stream."""
    index = first
    while True:
        for number, lesson in enumerate(lessons(seed, index)):
            yield lesson, Dice("lesson", seed, index, number)
        index += 1


def _take(stream: Iterator[tuple[Lesson, Dice]], num: int) -> list[tuple[Lesson, Dice]]:
    return [next(stream) for _ in range(num)]


def _batches(loaded: Loaded, seed: int) -> Iterator[list[Text]]:
    """Yield batches of texts of similar length, in random order."""
    reader, stream = _reader(loaded), _stream(seed)
    pool = 0
    while True:
        texts = [
            reader.read(lesson, _told_of(lesson, dice))
            for lesson, dice in _take(stream, _POOL * BATCH)
        ]
        texts.sort(key=lambda text: len(text.instruction) + len(text.response))
        batches = [texts[first : first + BATCH] for first in range(0, len(texts), BATCH)]
        yield from Dice("order of lessons", seed, pool).shuffled(batches)
        pool += 1


def _told_of(lesson: Lesson, dice: Dice) -> Sequence[str]:
    """Draw the description of the picture: nothing, all phrases, or the remark."""
    if dice.chance(BLIND_RATE):
        return ()
    if lesson.remark and dice.chance(REMARK_RATE):
        return (lesson.remark,)
    return lesson.picture


def _exam(loaded: Loaded, texts: Sequence[Text]) -> Marks:
    loss, num_tokens = 0.0, 0
    right: defaultdict[str, list[bool]] = defaultdict(list)
    for first in range(0, len(texts), BATCH):
        batch = texts[first : first + BATCH]
        with torch.no_grad():
            logits_NV, labels_N, rows = answer(loaded, batch)
        loss += functional.cross_entropy(logits_NV, labels_N, reduction="sum").item()
        num_tokens += len(rows)
        wrong = {
            row for row, ok in zip(rows, logits_NV.argmax(-1) == labels_N, strict=True) if not ok
        }
        for row, text in enumerate(batch):
            if len(text.response) <= 4:  # three tokens and the end: an answer, not a description
                right[text.kind].append(row not in wrong)
    every = [ok for answers in right.values() for ok in answers]
    kinds = {kind: sum(answers) / len(answers) for kind, answers in sorted(right.items())}
    return Marks(loss / num_tokens, sum(every) / max(1, len(every)), 0.0, kinds)
