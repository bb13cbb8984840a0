"""Run the passes of a step, forward and backward; split them if memory runs out.

A pass that does not fit is split in two and run again, and from then on all passes of its size are
split. The loss of a step is a sum over its labels, so splitting changes only rounding. Processes
that share layers (`fsdp`) wait for each other in each layer. There a process that ran out of memory
takes part in gathering the layers until the end of the forward pass, and then all processes split.
With `ddp` each process splits its passes alone, since processes communicate only in the last
backward pass of a step.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from instructify_train.data import FeatureTable, Pass, split_pass
from instructify_train.distributed import InStep, gradients_meet
from instructify_train.failures import is_out_of_memory
from instructify_train.model import to_device


class Again(Exception):
    """Memory ran out in a backward pass, so gradients are incomplete and the step is repeated."""


class Losses(NamedTuple):
    """The passes that were run, and the loss of each sample, summed over its labels."""

    passes: list[Pass]
    losses: torch.Tensor


class PassRunner:
    """Runs the passes of steps of one model in one process."""

    def __init__(self, model: nn.Module, features: FeatureTable, device: torch.device) -> None:
        self._model = model
        self._features = features
        self._device = device
        self._in_step = InStep(model)
        self._limit: int | None = None  # maximum of positions after memory ran out
        self._reason = ""
        self._step = 0

    def run(self, passes: Sequence[Pass], step: int, world: int) -> Losses:
        """Run all passes of a step; gradients are accumulated.

        Raises Again if the step has to be repeated in smaller passes, after resetting gradients.
        """
        self._step = step
        waiting = [part for pass_ in passes for part in self._parts(pass_)]
        done: list[Pass] = []
        all_losses: list[torch.Tensor] = []
        while waiting:
            current = waiting.pop(0)
            losses = self._try(current, world, last=not waiting)
            if losses is None:
                self._shrink(current)
                waiting[:0] = self._split(current, 2)
                continue
            if current.counts:
                done.append(current)
                all_losses.append(losses)
        for pass_ in passes:  # not earlier: a pass that is repeated needs its pictures
            self._features.forget(pass_)
        return Losses(done, torch.cat(all_losses) if all_losses else torch.zeros(0))

    def _parts(self, pass_: Pass) -> list[Pass]:
        if self._limit is None or pass_.most <= self._limit:
            return [pass_]
        return self._split(pass_, -(-pass_.most // self._limit))

    def _split(self, pass_: Pass, parts: int) -> list[Pass]:
        return split_pass(pass_, parts, encodes_anew=self._features.encodes_anew)

    def _try(self, pass_: Pass, world: int, *, last: bool) -> torch.Tensor | None:
        """Run a pass; None if this process, or one that shares layers, ran out of memory."""
        failed, rows = False, len(pass_.samples)
        made: tuple[torch.Tensor, torch.Tensor] | None = None
        with gradients_meet(self._model, now=last), self._in_step.forward():
            try:
                made = self._forward(pass_, world)
            except Exception as error:
                failed = self._note(error)
                if not failed or not self._in_step.can_start_again:
                    raise
            # Outside of the handler, whose exception keeps the tensors of the pass alive.
            if failed:
                made = None
                self._in_step.keep_up()
            failed, rows = self._in_step.agree(failed, rows)
            if failed:
                made = None
                self._in_step.start_again()
                self._free()
                if rows <= 1:
                    raise torch.OutOfMemoryError(self._reason or "in another process")
                return None
            assert made is not None
            loss, losses = made
            self._backward(loss, pass_, last=last)
        return losses

    def _forward(self, pass_: Pass, world: int) -> tuple[torch.Tensor, torch.Tensor]:
        micro = pass_.micro.to(self._device)
        per_label = self._model(self._features.take(pass_), micro)
        weights_B = to_device(pass_.weights_B, self._device).to(per_label.dtype)
        weighted = per_label * weights_B.index_select(0, micro.label_sample_N)
        loss = weighted.sum() * world  # gradients are averaged over processes
        of_samples = torch.zeros(len(pass_.samples), device=self._device)
        return loss, of_samples.index_add(0, micro.label_sample_N, per_label.detach())

    def _backward(self, loss: torch.Tensor, pass_: Pass, *, last: bool) -> None:
        failed = False
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except Exception as error:
            # After a collective operation within a pass no process can run it again.
            failed = self._note(error)
            if not failed or len(pass_.samples) <= 1 or self._in_step.meets(last=last):
                raise
        if failed:
            self._free()
            self._shrink(pass_)
            raise Again

    def _note(self, error: Exception) -> bool:
        if not is_out_of_memory(error):
            return False
        self._reason = str(error)
        return True

    def _free(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _shrink(self, pass_: Pass) -> None:
        first = self._limit is None
        self._limit = max(1, min(pass_.most // 2, self._limit or pass_.most))
        if first and self._in_step.says:
            print(
                f"memory ran out at step {self._step:,} in a pass of {pass_.most:,} positions: "
                f"passes are cut to {self._limit:,} from here on, which changes no result; "
                f"'run.device_tokens={self._limit}' sets that from the start",
                file=sys.stderr,
                flush=True,
            )
