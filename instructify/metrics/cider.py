"""CIDEr-D of captions (Vedantam, Zitnick and Parikh 2015), as the official code computes it.

Groups of one to four words are weighted by their frequency in the caption and by how few pictures
have them in their references. A caption's score against a reference is the cosine of these weights,
clipped to the reference's, times a penalty on the difference of lengths (a Gaussian of sigma 6; the
length is the number of word pairs). The score of a picture is the mean over references and group
lengths, times ten: 1.0 is usually reported as 100. Everything is computed in columns.
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.metrics.means import mean_scored, references_of, text_of
from instructify.metrics.model import Answer, Floats, Item, Scored, Scorer
from instructify.metrics.ptb import PtbTokenizer
from instructify.metrics.spaceless import is_spaceless, spaced

_LONGEST = 4
_SIGMA = 6.0
_SCALE = 10.0

Tokens = Sequence[str]
_Integers = NDArray[np.int64]


def cider(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score captions; see `cider_scorer`."""
    return cider_scorer()(items, answers)


def cider_scorer() -> Scorer:
    """Return a scorer of captions, which tokenizes each caption once over all its calls.

    A missing caption scores 0. The interval resamples the scores of pictures; the idf is not
    computed again for each draw.
    """
    tokenizer = PtbTokenizer()
    known: dict[str, Tokens] = {}

    def tokens(caption: str) -> Tokens:
        ptb_words = known.get(caption)
        if ptb_words is None:
            ptb_words = known[caption] = tokenizer.tokenize(caption)
        return ptb_words

    def score(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
        texts = [text_of(item, answer) for item, answer in zip(items, answers, strict=True)]
        golds = [references_of(item) for item in items]
        notes = []
        by_character = is_spaceless(chain.from_iterable(golds))
        if by_character:
            notes.append(
                "the references are written without blanks between words, so CIDEr takes each of "
                "their characters as a word"
            )
        words = (lambda text: tokens(spaced(text))) if by_character else tokens
        predictions = [words(text or "") for text in texts]
        references = [[words(reference) for reference in gold] for gold in golds]
        if len(items) == 1:
            notes.append("CIDEr of one picture is 0: no word tells it from other pictures")
        return mean_scored(cider_scores(predictions, references), notes=notes)

    return score


def cider_scores(predictions: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> Floats:
    """Score each picture's caption against its references; the idf is that of `references`."""
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} captions for {len(references)} pictures")
    pictures = len(predictions)
    captions = [*predictions, *chain.from_iterable(references)]
    per_picture = np.array([len(reference) for reference in references], np.int64)
    picture_of = np.concatenate([np.arange(pictures), np.repeat(np.arange(pictures), per_picture)])
    groups = _Groups.of_words(captions)
    lengths = np.maximum(groups.lengths - 1, 0)
    away = lengths[pictures:] - lengths[picture_of[pictures:]]
    penalty = np.exp(-(away.astype(np.float64) ** 2) / (2 * _SIGMA**2))
    similarity = np.zeros(len(captions) - pictures)
    for size in range(1, _LONGEST + 1):
        if size > 1:
            groups = groups.longer()
        similarity += _cosines(groups, picture_of, pictures)
    similarity *= penalty / _LONGEST
    sums = np.bincount(picture_of[pictures:], similarity, minlength=pictures)
    return _SCALE * sums / per_picture


class _Groups(NamedTuple):
    """All word groups of one length: `numbers`, consecutive from 0, and the caption of each.

    Words are in the order of the captions; `left` is the number of words of the caption that follow
    the first word of the group.
    """

    words: _Integers
    num_words: int
    lengths: _Integers
    size: int
    starts: _Integers
    captions: _Integers
    left: _Integers
    numbers: _Integers

    @classmethod
    def of_words(cls, captions: Sequence[Tokens]) -> "_Groups":
        """Number the words; each word is a group."""
        vocabulary: dict[str, int] = {}
        number = vocabulary.setdefault
        words = np.array(
            [number(word, len(vocabulary)) for word in chain.from_iterable(captions)], np.int64
        )
        lengths = np.fromiter(map(len, captions), np.int64, len(captions))
        ends = np.repeat(np.cumsum(lengths), lengths)
        starts = np.arange(len(words))
        return cls(
            words=words,
            num_words=max(1, len(vocabulary)),
            lengths=lengths,
            size=1,
            starts=starts,
            captions=np.repeat(np.arange(len(captions)), lengths),
            left=ends - starts - 1,
            numbers=words,
        )

    def longer(self) -> "_Groups":
        """Return the groups that are one word longer."""
        kept = self.left >= self.size
        starts = self.starts[kept]
        following = self.words[starts + self.size]
        pairs = self.numbers[kept] * self.num_words + following
        _, numbers = np.unique(pairs, return_inverse=True)
        return self._replace(
            size=self.size + 1,
            starts=starts,
            captions=self.captions[kept],
            left=self.left[kept],
            numbers=numbers.astype(np.int64),
        )


def _cosines(groups: _Groups, picture_of: _Integers, pictures: int) -> Floats:
    """Compare each reference with its picture's caption, by the groups of one length."""
    num_captions = len(picture_of)
    if not len(groups.numbers):
        return np.zeros(num_captions - pictures)
    num_groups = int(groups.numbers.max()) + 1
    entries, counts = np.unique(groups.captions * num_groups + groups.numbers, return_counts=True)
    caption, group = np.divmod(entries, num_groups)
    in_reference = caption >= pictures
    having = _distinct(picture_of[caption[in_reference]] * num_groups + group[in_reference])
    weights = counts * _idf(having % num_groups, num_groups, pictures)[group]
    norms = np.sqrt(np.bincount(caption, weights**2, minlength=num_captions))

    caption_entries = entries[~in_reference]  # of captions, whose number is the picture's
    wanted = picture_of[caption[in_reference]] * num_groups + group[in_reference]
    places = np.minimum(np.searchsorted(caption_entries, wanted), max(len(caption_entries) - 1, 0))
    shared = (
        caption_entries[places] == wanted
        if len(caption_entries)
        else np.zeros(len(wanted), np.bool_)
    )
    theirs = weights[in_reference][shared]
    clipped = np.minimum(weights[~in_reference][places[shared]], theirs) * theirs
    reference = caption[in_reference][shared] - pictures
    dots = np.zeros(num_captions - pictures)
    dots += np.bincount(reference, clipped, minlength=len(dots))  # integers where all is empty
    scale = norms[picture_of[pictures:]] * norms[pictures:]
    cosines: Floats = np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0)
    return cosines


def _idf(groups: _Integers, num_groups: int, pictures: int) -> Floats:
    """Weight groups by rarity; `groups` lists a group once for every picture that has it."""
    frequency = np.maximum(np.bincount(groups, minlength=num_groups), 1)
    return np.asarray(np.log(float(pictures)) - np.log(frequency), np.float64)


def _distinct(values: _Integers) -> _Integers:
    """Return the distinct values, sorted; np.unique uses a hash table here, which is slower."""
    ordered = np.sort(values)
    return (
        ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered
    )
