"""The loss on held-in validation splits: the same samples each time, for any number of processes.

Records are drawn by a key from each held-in dataset of the mixture that has a validation split in
the build. A record with all captions of a picture, which is meant for scoring, gets one of them
as its response.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts, mix, uniform_index
from instructify.build import Build
from instructify.mixture import choose_rows, cut
from instructify.recipe import MixedBuild
from instructify_train.data import (
    Failed,
    FeatureTable,
    FrameReader,
    Pass,
    PixelReader,
    Sample,
    Share,
    encode_samples,
    load,
    make_pass,
)
from instructify_train.distributed import add_up
from instructify_train.model import Layout, SampleTokens, length_of
from instructify_train.run.stop import BrokenOff

_SPLITS = ("val", "dev", "minival")


class Chosen(NamedTuple):
    """The validation samples of a run, and the datasets without any."""

    samples: dict[str, list[Sample]]
    without: tuple[str, ...]


def choose(mixed: MixedBuild, num_samples: int) -> Chosen:
    """Draw samples of each held-in dataset; the same build and number give the same samples."""
    chosen: dict[str, list[Sample]] = {}
    without = []
    for dataset in dict.fromkeys(part.dataset for part in mixed.parts):
        splits = mixed.build.dataset(dataset).splits
        split = next((split for split in _SPLITS if split in splits), None)
        samples = [] if split is None else _chosen(mixed.build, dataset, split, num_samples)
        if samples:
            chosen[dataset] = samples
        else:
            without.append(dataset)
    return Chosen(chosen, tuple(without))


class Validation:
    """The forward passes over one dataset's samples, for one process.

    All processes have the same number. `counted` is the number of samples of each pass that
    count, since the last piece of a process may have no weight.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        tokens: SampleTokens,
        pixels: PixelReader,
        layout: Layout,
        *,
        device_batch: int,
        share: Share,
    ) -> None:
        self._samples = list(samples)
        self._tokens = encode_samples(tokens, self._samples)
        self._frames = FrameReader(pixels)
        self._numbered = self._frames.number(self._samples)
        self._layout = layout
        lengths = [
            length_of(sample, len(shown), layout)
            for sample, shown in zip(self._tokens, self._numbered.of, strict=True)
        ]
        order = np.argsort(-np.array(lengths), kind="stable")
        whole = device_batch * share.world
        cuts = [order[at : at + whole] for at in range(0, len(order), whole)]
        self._rows = [_mine(pass_rows, share) for pass_rows in cuts]
        self.counted = [len(row) for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Pass | Failed:
        rows = [int(row) for row in self._rows[number]] or [0]
        shown = self._numbered.shown(rows)
        try:
            encode = [self._frames.read(self._numbered, shown, "validation")]
        except UserError as error:
            return Failed(str(error))
        return make_pass(
            [self._samples[row] for row in rows],
            [self._tokens[row] for row in rows],
            [self._numbered.of[row] for row in rows],
            encode=encode,
            forget=shown,
            layout=self._layout,
        )


class Validator:
    """Computes the validation loss of each dataset."""

    def __init__(
        self,
        mixed: MixedBuild,
        tokens: SampleTokens,
        pixels: PixelReader,
        layout: Layout,
        *,
        num_samples: int,
        device_batch: int,
        share: Share,
    ) -> None:
        chosen = choose(mixed, num_samples)
        self.without = chosen.without
        self._sets = {
            name: Validation(
                samples, tokens, pixels, layout, device_batch=device_batch, share=share
            )
            for name, samples in chosen.samples.items()
        }

    @property
    def datasets(self) -> tuple[str, ...]:
        """List the datasets that have validation samples."""
        return tuple(self._sets)

    def losses(
        self,
        model: nn.Module,
        table: FeatureTable,
        device: torch.device,
        workers: int,
        is_asked: Callable[[], bool] = lambda: False,
    ) -> dict[str, float]:
        """Compute the mean loss over label tokens of each dataset; all processes take part.

        Raises:
            BrokenOff: `is_asked` says in some process that the run is to stop, and datasets are
                left.
        """
        was_training = model.training
        model.eval()
        means: dict[str, float] = {}
        asked = False
        with torch.no_grad():
            for name, passes in self._sets.items():
                if asked:
                    break
                sums = torch.zeros(3, dtype=torch.float64)
                with load(passes, range(len(passes)), workers) as loaded:
                    for pass_, counted in zip(loaded, passes.counted, strict=True):
                        losses = model(table.take(pass_), pass_.micro.to(device))
                        table.forget(pass_)
                        if counted:
                            sums[:2] += torch.tensor([losses.double().sum().item(), len(losses)])
                sums[2] = float(is_asked())
                add_up(sums)
                means[name], asked = float(sums[0] / sums[1]), bool(sums[2])
        model.train(was_training)
        if len(means) < len(self._sets):
            raise BrokenOff
        return means


def _mine(rows: NDArray[np.int64], share: Share) -> NDArray[np.int64]:
    piece = cut(len(rows), share.world, share.rank)
    return rows[piece.start : piece.stop]


def _chosen(build: Build, dataset: str, split: str, num_samples: int) -> list[Sample]:
    table = build.samples(dataset, split)
    rows = choose_rows(len(table), num_samples, f"{dataset}/{split}", "validation")
    samples = [_sample(table[int(row)]) for row in rows]
    return [sample for sample in samples if sample is not None]


def _sample(row: dict[str, Any]) -> Sample | None:
    response = row["response"] or _one_of(row["references"] or [], row["sample_id"])
    if response is None or not row["pictures"]:
        return None
    return Sample(
        sample_id=row["sample_id"],
        instruction=row["instruction"],
        qformer_instruction=row["qformer_instruction"],
        response=response,
        pictures=tuple(row["pictures"]),
        template=row["template"],
        member=0,
    )


def _one_of(references: Sequence[str], sample_id: str) -> str | None:
    if not references:
        return None
    key = mix(hash_texts([sample_id]), "validation reference", 0)
    return references[int(uniform_index(key, len(references))[0])]
