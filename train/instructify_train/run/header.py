"""The summary printed before the first step: model, trained parts, batches, memory, data."""

from instructify._util import terminal
from instructify_train.checkpoint import Checkpoint
from instructify_train.data import PassRule
from instructify_train.run.setup import Setup


def header_lines(setup: Setup, start: Checkpoint | None) -> list[str]:
    """Describe the run in lines of 80 columns."""
    config, prepared = setup.config, setup.prepared
    memory = prepared.memory
    counted = prepared.counted
    lines = [
        f"model     {config.model.name or 'BLIP-2 in two parts'}, {_count(counted.total)} "
        f"parameters, {_count(counted.trained)} trained ({', '.join(config.model.train)}); "
        f"loaded in {prepared.loaded_s:.1f} s",
        f"device    {prepared.device.type}, {str(prepared.precision).removeprefix('torch.')}, "
        f"{setup.ranks.world} process{'es' if setup.ranks.world > 1 else ''}"
        + (f" ({config.run.parallel})" if setup.ranks.world > 1 else ""),
        f"batch     {_passes(setup)}",
        f"loss      {_loss(setup)}",
        f"memory    about {_bytes(memory.total)} a process: weights {_bytes(memory.weights)}, "
        f"optimizer {_bytes(memory.optimizer)}, activations {_bytes(memory.activations)}, "
        f"pictures {_bytes(memory.features)}",
        f"mixture   of recipe {config.name}: {len(setup.mixed.parts)} members, "
        f"{config.run.steps:,} steps = {config.run.steps * config.data.batch:,} samples",
    ]
    if setup.validator is not None:
        without = setup.validator.without
        lines.append(
            f"checked   on {', '.join(setup.validator.datasets) or 'nothing'}"
            + (f"; no validation split: {', '.join(without)}" if without else "")
        )
    if start is not None:
        lines.append(f"resumed   after step {start.state.step:,}")
    return [part for line in lines for part in wrapped(line)]


def _passes(setup: Setup) -> str:
    rule, batch = setup.share.rule, setup.config.data.batch
    if isinstance(rule, PassRule):
        return f"{batch} in all, in passes of up to {rule.positions:,} positions"
    each = setup.prepared.device_batch
    return f"{batch} in all = {setup.ranks.world} x {rule.accumulation} passes of up to {each}"


def _loss(setup: Setup) -> str:
    logical = setup.mixed.mixture.logical_batch
    if logical is None:
        return "mean over the label tokens of a step, whose samples are of all members"
    number = setup.config.data.batch // logical
    return f"mean over {number} logical batches of {logical}, each of one dataset"


def wrapped(line: str) -> list[str]:
    """Wrap a line to the width of a terminal."""
    return terminal.wrapped(line, rest=" " * 10)


def _count(number: int) -> str:
    for size, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.2f}{name}"
    return str(number)


def _bytes(number: int) -> str:
    for size, name in ((10**9, "GB"), (10**6, "MB")):
        if number >= size:
            return f"{number / size:.1f} {name}"
    return f"{number / 1e3:.0f} kB"
