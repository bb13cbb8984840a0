"""The training loop; read it from `run` down.

A step computes the loss of each label token of its global batch and multiplies it by the weight of
the label among those of all processes and passes, so neither accumulation nor the number of
processes changes the result. Every random number is keyed by the step. Checkpoints are written
atomically; a killed run resumes from the last one with bitwise equal results.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from instructify._util.errors import UserError
from instructify._util.keyed import key_of
from instructify.mixture import MixtureState
from instructify_train import checkpoint
from instructify_train.checkpoint import Best, Checkpoint, RunState
from instructify_train.data import FeatureTable, Step, load
from instructify_train.distributed import add_up, gather, wait_for_all
from instructify_train.model import trained_parameters
from instructify_train.recipe import recipe_value
from instructify_train.run.clock import Clock
from instructify_train.run.compiling import WARM_UP_STEPS
from instructify_train.run.held_in_scores import HeldInScores
from instructify_train.run.journal import Journal
from instructify_train.run.optimizer import make_optimizer, moments_of, restore, weights_of
from instructify_train.run.pass_runner import Again, Losses, PassRunner
from instructify_train.run.schedule import learning_rate
from instructify_train.run.setup import Setup
from instructify_train.run.stop import BrokenOff, StopRequest
from instructify_train.run.tally import Tallied, Tally, mean_loss

_SEED_MASK = (1 << 63) - 1
Validated = Literal["best", "other", "stopped"]


class Result(NamedTuple):
    """The result of a run: steps done, the last mean loss, the best checkpoint, a signal if any."""

    step: int
    loss: float | None
    best: Best | None
    stopped_by: int | None


class Trainer:
    """A run in one process, from its first step or from a checkpoint."""

    def __init__(
        self,
        setup: Setup,
        run: Path,
        *,
        start: Checkpoint | None,
        shows: bool,
        held_in: HeldInScores | None = None,
        after_validation: Callable[[], None] = lambda: None,
    ) -> None:
        self.setup = setup
        self.held_in = held_in
        self.after_validation = after_validation
        self.run_folder = run
        prepared = setup.prepared
        self.model = prepared.model
        self.device = prepared.device
        self.config = setup.config
        self.parameters = dict(trained_parameters(prepared.inner.model))
        fused = setup.config.run.parallel == "ddp" or setup.ranks.world == 1
        self.optimizer = make_optimizer(self.parameters, setup.config.optimizer, fused=fused)
        self.features = FeatureTable(prepared.inner, self.device, setup.feature_files)
        self.passes = PassRunner(self.model, self.features, self.device)
        self.first = start.state.step if start else 0
        self.best = start.state.best if start else None
        self._awaits_validation = start is not None and start.state.awaits_validation
        members = [member.name for member in setup.mixed.mixture.members]
        self.tally = Tally(members, start.state.tally if start else {})
        if start is not None:
            restore(self.optimizer, self.parameters, start)
        self.journal = Journal(
            run,
            step=self.first,
            steps=setup.config.run.steps,
            tensorboard=setup.config.run.tensorboard,
            awaits_validation=self._awaits_validation,
            writes=setup.ranks.is_first,
            shows=shows and setup.ranks.is_first,
            trackers=setup.config.run.trackers,
            settings=recipe_value(setup.config),
        )
        self.clock = Clock()
        self._stop = StopRequest()
        if prepared.compiled:
            self.clock.leave_out(WARM_UP_STEPS)

    def run(self, stop: StopRequest) -> Result:
        """Train to the end, or until a signal asks to stop; the last step is always saved."""
        self._stop = stop
        step, loss, stopped = self.first, None, False
        self.model.train()
        with self.journal:
            stopped = self._validate_first()
            if not stopped:
                step, loss, stopped = self._train()
        # A signal may have reached only one process; all report the same end.
        signals = gather(stop.number) if stopped else []
        return Result(step, loss, self.best, max((n for n in signals if n), default=None))

    def _validate_first(self) -> bool:
        """Validate before the first step, or a step due for validation; returns whether to stop."""
        if self.first > 0:
            return self._awaits_validation and not self._validate_saved(self.first)
        self._validate(0)
        self.after_validation()
        return False

    def _train(self) -> tuple[int, float | None, bool]:
        """Run the steps; returns the number done, the last loss, and whether a signal came."""
        step, loss, stopped = self.first, None, False
        numbers = range(self.first, self.config.run.steps)
        with load(self.setup.steps(self.first), numbers, self._workers) as steps:
            for item in self.clock.waiting(steps):
                loss, stopped = self._step(item, self._stop)
                step, shown = item.step + 1, self.clock.shown(loss, self.device)
                stopped = self._after(step, loss, stopped)
                self.clock.end_of_step()
                self.journal.advance(shown)
                if stopped:
                    break
        return step, loss, stopped

    def _after(self, step: int, loss: float, stopped: bool) -> bool:
        """Log, save and validate after a step if due; returns whether to stop.

        A due checkpoint is saved before the validation, so that a kill during a validation of
        minutes loses no steps. A run that was requested to stop leaves the validation to the next
        start.
        """
        config = self.config.run
        validates = config.validate_every > 0 and self._is_validated(step)
        saves = stopped or step == config.steps or step % config.save_every == 0
        # A checkpoint stores the counts up to the last log line, so a line is written before it.
        if saves or validates or step % config.log_every == 0:
            self._log(step, loss)
        if saves:
            self._save(step, awaits_validation=validates)
            return stopped or (validates and not self._validate_saved(step))
        if validates:
            validated = self._validate(step)
            if validated != "other":
                self._save(step, awaits_validation=validated == "stopped")
            self.after_validation()
            return validated == "stopped"
        return False

    @property
    def _workers(self) -> int:
        return self.config.data.workers

    def _is_validated(self, step: int) -> bool:
        run = self.config.run
        return step % run.validate_every == 0 or step == run.steps

    def _step(self, item: Step, stop: StopRequest) -> tuple[float, bool]:
        """Run one step; returns its loss, and whether to stop."""
        while True:
            torch.manual_seed(self._key("dropout", item.step))
            self.optimizer.zero_grad(set_to_none=True)
            try:
                done = self.passes.run(item.passes, item.step, self.setup.share.world)
                break
            except Again:
                continue
        losses = done.losses.double().cpu()
        weights = torch.cat(
            [torch.zeros(0, dtype=torch.float64), *(pass_.weights_B for pass_ in done.passes)]
        )
        sums = torch.tensor([(losses @ weights).item(), float(stop.asked)], dtype=torch.float64)
        total, asked = add_up(sums).tolist()
        if not math.isfinite(total):
            self._refuse(item.step, done)
        self._account(done)
        self._update(item.step)
        return total, asked > 0

    def _update(self, step: int) -> None:
        config = self.config.optimizer
        if config.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), config.clip)
        rate = learning_rate(step, self.config.run.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    def _account(self, done: Losses) -> None:
        samples = [sample for pass_ in done.passes for sample in pass_.samples]
        labels: list[int] = []
        for finished in done.passes:
            counted = torch.bincount(finished.micro.label_sample_N, minlength=len(finished.samples))
            labels += counted.tolist()
            self.clock.cut = [a + b for a, b in zip(self.clock.cut, finished.cut, strict=True)]
        weights = [weight for pass_ in done.passes for weight in pass_.weights_B.tolist()]
        self.tally.add(samples, labels, done.losses.tolist(), weights)
        self.clock.samples += self.config.data.batch

    def _refuse(self, step: int, done: Losses) -> None:
        """Raise an error that names the samples if the loss is not finite."""
        samples = [sample.sample_id for pass_ in done.passes for sample in pass_.samples]
        bad = [
            name
            for name, loss in zip(samples, done.losses.tolist(), strict=True)
            if not math.isfinite(loss)
        ]
        named = [name for value in gather(bad) for name in value]
        raise UserError(
            f"the loss is not finite at step {step}, in {len(named)} samples, of which "
            f"{', '.join(named[:5])}; look at them with `instructify inspect BUILD --id`, lower "
            "'optimizer.lr', or set 'optimizer.clip'"
        )

    def _validate_saved(self, step: int) -> bool:
        """Validate after the checkpoint of a step is written, and record the best step in it.

        Returns False if a signal ended the validation; the next start then repeats it.
        """
        if self._validate(step) == "stopped":
            return False
        if self.setup.ranks.is_first:
            checkpoint.note_validation(self.run_folder, step, self.best)
            checkpoint.prune(self.run_folder, self.config.run.keep, self.best, step)
        wait_for_all()
        self.after_validation()
        return True

    def _validate(self, step: int) -> Validated:
        """Compute validation losses and scores, and compare them with the best so far.

        A signal ends the validation, except before the first step, when nothing is saved yet.
        """
        is_asked = (lambda: self._stop.asked) if step else (lambda: False)
        try:
            loss, score = self._validation_loss(step, is_asked), self._held_in_score(step, is_asked)
        except BrokenOff:
            return "stopped"
        candidate = Best(step=step, loss=loss, score=score)
        if step == 0 or (loss is None and score is None) or not candidate.is_better_than(self.best):
            return "other"
        self.best = candidate
        return "best"

    def _validation_loss(self, step: int, is_asked: Callable[[], bool]) -> float | None:
        validator = self.setup.validator
        if validator is None or not validator.datasets:
            return None
        kept = FeatureTable(self.setup.prepared.inner, self.device, self.setup.feature_files)
        losses = validator.losses(self.model, kept, self.device, self._workers, is_asked)
        mean = sum(losses.values()) / len(losses)
        self.journal.log({"step": step, "validation": losses, "validation_mean": mean})
        self.journal.say(f"step {step:,}: validation loss {mean:.4f}")
        return mean

    def _held_in_score(self, step: int, is_asked: Callable[[], bool]) -> float | None:
        if self.held_in is None:
            return None
        scores = self.held_in.scores(is_asked)
        mean = sum(scores.values()) / len(scores)
        self.journal.log({"step": step, "scores": scores, "score_mean": mean})
        self.journal.say(f"step {step:,}: mean score {100 * mean:.2f}")
        return mean

    def _log(self, step: int, loss: float) -> None:
        members = self.tally.flush(gather(self.tally.take_recent()))
        line: dict[str, Any] = {
            "step": step,
            "loss": mean_loss(members),
            "last_loss": loss,
            "lr": learning_rate(step - 1, self.config.run.steps, self.config.optimizer),
            "members": {member.name: _share_value(member) for member in members},
            **self.clock.facts(self.device),
        }
        self.journal.log(line)

    def _save(self, step: int, *, awaits_validation: bool = False) -> None:
        """Write a checkpoint of this step, and remove old ones as `run.keep` says."""
        self.features.finish()
        weights, moments = weights_of(self.parameters), moments_of(self.optimizer, self.parameters)
        if self.setup.ranks.is_first:
            mixed = self.setup.mixed
            position = step * self.config.data.batch
            state = RunState(
                step=step,
                mixture=MixtureState.of(mixed.mixture, mixed.hashes(), position),
                best=self.best,
                awaits_validation=awaits_validation,
                tally=self.tally.total,
            )
            made = Checkpoint(weights=weights, optimizer=moments, state=state)
            checkpoint.save(self.run_folder, made)
            checkpoint.prune(self.run_folder, self.config.run.keep, self.best, step)
        wait_for_all()

    def _key(self, purpose: str, step: int) -> int:
        return key_of(purpose, self.config.run.seed, step, self.setup.ranks.rank) & _SEED_MASK


def _share_value(share: Tallied) -> dict[str, float]:
    return {
        "samples": share.samples,
        "labels": share.labels,
        "loss": share.loss,
        "loss_share": share.loss_share,
    }
