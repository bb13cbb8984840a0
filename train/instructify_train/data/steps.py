"""The steps of a run as a map from step to arrays, for one of the processes that share it.

A step is computed from its number alone: window, samples, tokens, batches, pictures. So any number
of loader workers gives the same, and resuming is starting at another number. All processes see the
same window and take their own pieces of its batches; so each of them knows what a label counts in
the loss of the whole global batch, and no one has to ask.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from instructify._util.errors import UserError
from instructify.mixture import cut, deal_batches, loss_weights, place_of
from instructify_train.config import DataConfig
from instructify_train.data.encode_plan import EncodeStep, plan_encoding
from instructify_train.data.feature_files import FeatureFiles
from instructify_train.data.loader import Failed
from instructify_train.data.pixels import PixelReader, gray
from instructify_train.data.stream import Sample, SampleStream
from instructify_train.model import Layout, Micro, SampleTokens, Tokens, collate, length_of


class Encode(NamedTuple):
    """A group of frames to encode: their numbers, and pixels or, where they are known, features.

    `pixels_P3HW` has a row for each frame that `features` has nothing for. `keep` says under
    which content hash features are worth keeping.
    """

    frames: tuple[int, ...]
    pixels_P3HW: torch.Tensor
    features: dict[int, torch.Tensor]
    keep: dict[int, str]


class Pass(NamedTuple):
    """One forward pass: what to encode first, the arrays, whose samples, what to forget after.

    `weights_B` says what each label of a sample counts in the loss of the step.
    """

    encode: list[Encode]
    micro: Micro
    frames: tuple[int, ...]  # distinct frames of the pass, as `micro.frame_feature_F` counts them
    samples: list[Sample]
    weights_B: torch.Tensor  # float64
    cut: tuple[int, int, int]  # tokens cut off: Q-Former's, instruction's, response's
    forget: tuple[int, ...]


class Step(NamedTuple):
    """What one process does in a step."""

    step: int
    passes: list[Pass]


class Window(NamedTuple):
    """A window as it was drawn and dealt; `passes` and their `encoding` are this process's own."""

    samples: list[Sample]
    tokens: list[Tokens]
    frames: "Frames"
    weights: np.ndarray  # of each label of a sample, in the loss of its step
    passes: list[list[int]]  # rows of each pass, batch by batch
    encoding: list[EncodeStep]


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Which part of each global batch a process takes, in how many passes."""

    rank: int = 0
    world: int = 1
    accumulation: int = 1

    def pieces(self, batch: int) -> list[range]:
        """List the pieces of a global batch that are this process's, in order."""
        every = self.world * self.accumulation
        return [cut(batch, every, number) for number in range(self.rank, every, self.world)]


class Steps:
    """The steps of a run for one process; `first` is the step that the run starts from."""

    def __init__(
        self,
        stream: SampleStream,
        tokens: SampleTokens,
        pixels: PixelReader,
        layout: Layout,
        data: DataConfig,
        share: Share,
        *,
        first: int = 0,
        group: int = 16,
        tower_is_frozen: bool = True,
        features: FeatureFiles | None = None,
    ) -> None:
        self._stream = stream
        self._tokens = tokens
        self._frames = FrameReader(pixels, features)
        self._layout = layout
        self._data = data
        self._share = share
        self._first = first
        self._group = group
        self._tower_is_frozen = tower_is_frozen
        self._window: tuple[int, Window] | None = None

    def __getitem__(self, step: int) -> Step | Failed:
        try:
            return self._step(step)
        except UserError as error:  # as a value, since a loader would wrap it in a traceback
            return Failed(str(error))

    def window(self, number: int) -> Window:
        """Draw, tokenise and deal a window."""
        if self._window is not None and self._window[0] == number:
            return self._window[1]
        count = self._data.window * self._data.batch
        samples = self._stream.read(number * count, count)
        tokens = encode_samples(self._tokens, samples)
        frames = self._frames.number(samples)
        lengths = [
            length_of(one, len(shown), self._layout)
            for one, shown in zip(tokens, frames.of, strict=True)
        ]
        batches = deal_batches(
            np.array(lengths, np.int64),
            self._data.window,
            f"window {number}",
            bucket=self._data.bucket,
            logical_batch=self._stream.logical_batch,
        )
        labels = np.array([len(one.response) for one in tokens], np.int64)
        weights = loss_weights(batches, labels, self._stream.logical_batch)
        shares = self._share.pieces(self._data.batch)
        passes = [[int(batch[at]) for at in piece] for batch in batches for piece in shares]
        encoding = self._encoding(number, passes, frames)
        window = Window(samples, tokens, frames, weights, passes, encoding)
        self._window = (number, window)
        return window

    def _step(self, step: int) -> Step:
        place = place_of(step, self._data.window)
        window = self.window(place.window)
        each = self._share.accumulation
        own = slice(place.batch * each, (place.batch + 1) * each)
        passes = [
            self._pass(window, rows, encoding, f"window {place.window}")
            for rows, encoding in zip(window.passes[own], window.encoding[own], strict=True)
        ]
        return Step(step, passes)

    def _encoding(
        self, window: int, passes: Sequence[Sequence[int]], frames: "Frames"
    ) -> list[EncodeStep]:
        """Plan what each pass encodes; a tower that is trained encodes anew in every pass."""
        wanted = [frames.shown(rows) for rows in passes]
        if not self._tower_is_frozen:
            return [EncodeStep((one,), one) for one in wanted]
        begin = place_of(self._first, self._data.window)
        first = begin.batch * self._share.accumulation if window == begin.window else 0
        return plan_encoding(wanted, self._group, first)

    def _pass(self, window: Window, rows: Sequence[int], encoding: EncodeStep, view: str) -> Pass:
        return make_pass(
            [window.samples[row] for row in rows],
            [window.tokens[row] for row in rows],
            [window.frames.of[row] for row in rows],
            encode=[self._frames.read(window.frames, group, view) for group in encoding.encode],
            forget=encoding.forget,
            layout=self._layout,
            weights=window.weights[rows],
        )


NO_PICTURE = ""  # in the place of a key: a sample of text alone, which shows plain gray


class Frames(NamedTuple):
    """The frames of a window: those of each sample by number, and what each number stands for."""

    of: list[tuple[int, ...]]
    places: list[tuple[str, int]]  # picture key, frame of a clip

    def shown(self, rows: Iterable[int]) -> tuple[int, ...]:
        """List the distinct frames of some samples, in the order of their first use."""
        return tuple(dict.fromkeys(frame for row in rows for frame in self.of[row]))


class FrameReader:
    """Numbers and reads the frames that samples show."""

    def __init__(self, pixels: PixelReader, features: FeatureFiles | None = None) -> None:
        self._pixels = pixels
        self._features = features

    def number(self, samples: Sequence[Sample]) -> Frames:
        """Number the distinct frames of samples in the order in which they come up."""
        known: dict[str, tuple[int, ...]] = {}
        places: list[tuple[str, int]] = []
        of = []
        for sample in samples:
            shown = sample.pictures or (NO_PICTURE,)
            for key in shown:
                if key not in known:
                    num = 1 if key == NO_PICTURE else self._pixels.num_frames(key)
                    known[key] = tuple(range(len(places), len(places) + num))
                    places += [(key, at) for at in range(num)]
            of.append(tuple(frame for key in shown for frame in known[key]))
        return Frames(of, places)

    def read(self, frames: Frames, group: Sequence[int], view: str) -> Encode:
        """Read the pixels of a group of frames, or features that are on disk already."""
        decoded: dict[str, np.ndarray] = {}
        features: dict[int, torch.Tensor] = {}
        keep: dict[int, str] = {}
        rows = []
        for number in group:
            key, at = frames.places[number]
            if self._features is not None and key != NO_PICTURE:
                name = f"{self._pixels.sha256(key)}-{at}"
                found = self._features.read(name)
                if found is not None:
                    features[number] = found
                    continue
                keep[number] = name
            if key not in decoded:
                blank = key == NO_PICTURE
                decoded[key] = gray(1, self._pixels.size) if blank else self._pixels.read(key, view)
            rows.append(decoded[key][at])
        size = self._pixels.size
        stacked = np.stack(rows) if rows else np.zeros((0, size, size, 3), np.uint8)
        pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2)
        return Encode(tuple(group), pixels, features, keep)


def make_pass(
    samples: list[Sample],
    tokens: list[Tokens],
    used: Sequence[tuple[int, ...]],
    *,
    encode: list[Encode],
    forget: tuple[int, ...],
    layout: Layout,
    weights: np.ndarray | None = None,
) -> Pass:
    """Lay out samples whose frames are `used`, by the numbers of a window.

    Without `weights` (in validation) each label counts one.
    """
    distinct = tuple(dict.fromkeys(frame for one in used for frame in one))
    local = {frame: at for at, frame in enumerate(distinct)}
    return Pass(
        encode=encode,
        micro=collate(tokens, [[local[frame] for frame in one] for one in used], layout),
        frames=distinct,
        samples=samples,
        weights_B=torch.from_numpy(np.ones(len(samples)) if weights is None else weights),
        cut=cut_tokens(tokens),
        forget=forget,
    )


def encode_samples(tokens: SampleTokens, samples: Sequence[Sample]) -> list[Tokens]:
    """Tokenise samples."""
    return tokens.encode(
        [one.instruction for one in samples],
        [one.response for one in samples],
        [one.qformer_instruction for one in samples],
    )


def cut_tokens(tokens: Sequence[Tokens]) -> tuple[int, int, int]:
    """Add up the tokens that truncation left out."""
    return (
        sum(one.cut_qformer for one in tokens),
        sum(one.cut_instruction for one in tokens),
        sum(one.cut_response for one in tokens),
    )
