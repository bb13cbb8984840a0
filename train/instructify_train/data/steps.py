"""Map the number of a step to its arrays, for one process of a run.

A step is computed from its number alone: window, samples, tokens, batches, pictures. The arrays
therefore do not depend on the number of loader processes, and a resumed run simply starts at
another number. All processes compute the same window and take their own part of its batches, so
each knows the weight of a label in the loss of the global batch without communication.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from instructify._util.errors import UserError
from instructify.mixture import deal_batches, loss_weights, place_of
from instructify_train.config import DataConfig
from instructify_train.data.encode_plan import EncodeStep, plan_encoding
from instructify_train.data.feature_files import FeatureFiles
from instructify_train.data.loader import Failed
from instructify_train.data.passes import ONE_PASS, FixedRule, PassRule, Piece, plan_step
from instructify_train.data.pixels import PixelReader, gray
from instructify_train.data.stream import Sample, SampleStream
from instructify_train.model import Layout, Micro, SampleTokens, Tokens, collate, positions_of


class Encode(NamedTuple):
    """A group of frames to encode: their numbers, and their pixels or cached features.

    `pixels_P3HW` has a row for each frame without cached features in `features`. `keep` holds the
    content hashes under which new features are to be cached.
    """

    frames: tuple[int, ...]
    pixels_P3HW: torch.Tensor
    features: dict[int, torch.Tensor]
    keep: dict[int, str]


class Pass(NamedTuple):
    """One forward pass: frames to encode before it, arrays, samples, and frames to drop after it.

    `weights_B` is the weight of each label of a sample in the loss of the step. `most` is the
    maximum of positions over the processes. A pass that does not count has no weight: it keeps the
    number of passes equal in all processes.
    """

    encode: list[Encode]
    micro: Micro
    frames: tuple[int, ...]  # distinct frames of the pass, as `micro.frame_feature_F` counts them
    samples: list[Sample]
    weights_B: torch.Tensor  # float64
    cut: tuple[int, int, int]  # tokens cut off: Q-Former's, instruction's, response's
    forget: tuple[int, ...]
    most: int = 0
    counts: bool = True


class Step(NamedTuple):
    """The passes of one process in a step."""

    step: int
    passes: list[Pass]


class Window(NamedTuple):
    """The samples of a window by step; `passes` and `encoding` are those of this process."""

    number: int
    samples: list[Sample]
    tokens: list[Tokens]
    frames: "Frames"
    weights: np.ndarray  # of each label of a sample, in the loss of its step
    passes: list[list[Piece]]  # of each step
    encoding: list[list[EncodeStep]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """The rank of this process, the number of processes, and the rule that splits into passes."""

    rank: int = 0
    world: int = 1
    rule: PassRule | FixedRule = ONE_PASS


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
        self._window: Window | None = None
        self._ask: Callable[[int], Window | None] | None = None

    def __getitem__(self, step: int) -> Step | Failed:
        try:
            return self._step(step)
        except (
            UserError
        ) as error:  # as a value, since a loader would wrap an exception in a traceback
            return Failed(str(error))

    def take_parts_from(self, ask: Callable[[int], Window | None]) -> None:
        """Request each window from another process before computing it here."""
        self._ask = ask

    def window(self, number: int) -> Window:
        """Return a window; the window of the last step is cached."""
        if self._window is None or self._window.number != number:
            taken = self._ask(number) if self._ask is not None else None
            self._window = taken if taken is not None else self.make_part(number)
        return self._window

    def make_part(self, number: int) -> Window:
        """Draw and tokenise the samples of a window and distribute them over its steps."""
        count = self._data.window * self._data.batch
        samples = self._stream.read(number * count, count)
        tokens = encode_samples(self._tokens, samples)
        frames = self._frames.number(samples)
        sizes = np.array(
            [
                (*positions_of(sample, len(shown), self._layout), len(shown))
                for sample, shown in zip(tokens, frames.of, strict=True)
            ],
            np.int64,
        )
        batches = deal_batches(
            sizes[:, :2].sum(axis=1),
            self._data.window,
            f"window {number}",
            bucket=self._data.bucket,
            logical_batch=self._stream.logical_batch,
        )
        labels = np.array([len(of_sample.response) for of_sample in tokens], np.int64)
        weights = loss_weights(batches, labels, self._stream.logical_batch)
        passes = [self._pieces(batch, sizes) for batch in batches]
        encoding = self._encoding(number, passes, frames)
        return Window(number, samples, tokens, frames, weights, passes, encoding)

    def _pieces(self, batch: np.ndarray, sizes: np.ndarray) -> list[Piece]:
        share = self._share
        return plan_step(
            batch.tolist(),
            sizes,
            share.rule,
            rank=share.rank,
            world=share.world,
            reorder=self._data.bucket,
        )

    def _step(self, step: int) -> Step:
        place = place_of(step, self._data.window)
        window = self.window(place.window)
        passes = [
            self._pass(window, piece, encoding)
            for piece, encoding in zip(
                window.passes[place.batch], window.encoding[place.batch], strict=True
            )
        ]
        return Step(step, passes)

    def _encoding(
        self, window: int, passes: Sequence[Sequence[Piece]], frames: "Frames"
    ) -> list[list[EncodeStep]]:
        """Plan what each pass encodes; a trained tower encodes again in every pass."""
        wanted = [frames.shown(piece.rows) for pieces in passes for piece in pieces]
        if self._tower_is_frozen:
            begin = place_of(self._first, self._data.window)
            before = passes[: begin.batch] if window == begin.window else ()
            flat = plan_encoding(wanted, self._group, sum(map(len, before)))
        else:
            flat = [EncodeStep((group,), group) for group in wanted]
        rest = iter(flat)
        return [[next(rest) for _ in pieces] for pieces in passes]

    def _pass(self, window: Window, piece: Piece, encoding: EncodeStep) -> Pass:
        rows, view = piece.rows, f"window {window.number}"
        weights = window.weights[list(rows)]
        made = make_pass(
            [window.samples[row] for row in rows],
            [window.tokens[row] for row in rows],
            [window.frames.of[row] for row in rows],
            encode=[self._frames.read(window.frames, group, view) for group in encoding.encode],
            forget=encoding.forget,
            layout=self._layout,
            weights=weights if piece.counts else np.zeros_like(weights),
        )
        return made._replace(most=piece.most, counts=piece.counts)


NO_PICTURE = ""  # stands for a picture key: a text-only sample, which gets a gray picture


class Frames(NamedTuple):
    """The frames of a window: the frame numbers of each sample, and the frame of each number."""

    of: list[tuple[int, ...]]
    places: list[tuple[str, int]]  # picture key, frame of a clip

    def shown(self, rows: Iterable[int]) -> tuple[int, ...]:
        """Return the distinct frames of some samples, in the order of their first use."""
        return tuple(dict.fromkeys(frame for row in rows for frame in self.of[row]))


class FrameReader:
    """Numbers and reads the frames of samples."""

    def __init__(self, pixels: PixelReader, features: FeatureFiles | None = None) -> None:
        self._pixels = pixels
        self._features = features

    def number(self, samples: Sequence[Sample]) -> Frames:
        """Number the distinct frames of samples in the order of their first use."""
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
        """Read the pixels of a group of frames, or their features if these are cached."""
        decoded: dict[str, np.ndarray] = {}
        features: dict[int, torch.Tensor] = {}
        keep: dict[int, str] = {}
        rows = []
        for number in group:
            key, at = frames.places[number]
            if self._features is not None and key != NO_PICTURE:
                name = f"{self._pixels.sha256(key)}-{at}"
                stored = self._features.read(name)
                if stored is not None:
                    features[number] = stored
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
    """Collate samples into a pass; `used` are the numbers of their frames in the window.

    Without `weights` (in validation) each label has weight 1.
    """
    distinct = tuple(dict.fromkeys(frame for frames in used for frame in frames))
    local = {frame: at for at, frame in enumerate(distinct)}
    return Pass(
        encode=encode,
        micro=collate(tokens, [[local[frame] for frame in frames] for frames in used], layout),
        frames=distinct,
        samples=samples,
        weights_B=torch.from_numpy(np.ones(len(samples)) if weights is None else weights),
        cut=cut_tokens(tokens),
        forget=forget,
    )


def encode_samples(tokens: SampleTokens, samples: Sequence[Sample]) -> list[Tokens]:
    """Tokenise samples."""
    return tokens.encode(
        [sample.instruction for sample in samples],
        [sample.response for sample in samples],
        [sample.qformer_instruction for sample in samples],
    )


def cut_tokens(tokens: Sequence[Tokens]) -> tuple[int, int, int]:
    """Sum the tokens that truncation removed."""
    return (
        sum(of_sample.cut_qformer for of_sample in tokens),
        sum(of_sample.cut_instruction for of_sample in tokens),
        sum(of_sample.cut_response for of_sample in tokens),
    )
