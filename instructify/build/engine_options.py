"""Read and check the options that say how units run: `--jobs`, `--engine`, `--part`, `--stage`."""

import re
from dataclasses import dataclass
from typing import Literal

from instructify._util.errors import UserError, did_you_mean

Stage = Literal["records", "locate", "index", "samples", "export", "overlap"]
STAGES: tuple[Stage, ...] = ("records", "locate", "index", "samples")  # of a conversion
MOST_PARTS = 100_000
_PART = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The `number`-th of `total` equal shares of the units of a stage; the first is 1.

    `stages` are those that the command has; units of others are only a step to them.
    """

    number: int
    total: int
    stage: Stage
    stages: tuple[Stage, ...] = STAGES

    @property
    def name(self) -> str:
        return f"part {self.number}/{self.total} of {self.stage}"

    def has(self, place: int) -> bool:
        """Whether the unit at a place of the list of all units belongs to this part."""
        return place % self.total == self.number - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """Where units run; `ray` is the address of a cluster, '' for one of our own on this machine."""

    jobs: int = 1
    ray: str | None = None
    part: Part | None = None


def engine_options(
    *,
    jobs: int | None,
    engine: str = "local",
    part: str | None = None,
    stage: str | None = None,
    stages: tuple[Stage, ...] = STAGES,
) -> EngineOptions:
    """Read the options of a command line.

    Args:
        jobs: processes; None where the user gave none.
        engine: local, ray, or ray:ADDRESS.
        part: i/n; None is all.
        stage: the stage that a part is of; left out where the command has only one.
        stages: the stages that the command has.
    """
    if part is not None and len(stages) == 1:
        stage = stages[0]
    kind, _, address = engine.partition(":")
    if kind not in ("local", "ray") or (kind == "local" and engine != kind):
        raise UserError(f"--engine {engine} is unknown; allowed are local, ray and ray:ADDRESS.")
    if address and jobs is not None:
        raise UserError(
            f"--jobs {jobs} has no effect with --engine {engine}, since the cluster says how many "
            "CPUs it has; leave it out."
        )
    return EngineOptions(
        jobs=jobs or 1,
        ray=address if kind == "ray" else None,
        part=_part(part, stage, stages),
    )


def _part(part: str | None, stage: str | None, stages: tuple[Stage, ...]) -> Part | None:
    if part is None and stage is None:
        return None
    if stage is None:
        raise UserError(f"--part {part} is of one stage; give --stage too: {', '.join(stages)}.")
    name = next((candidate for candidate in stages if candidate == stage), None)
    if name is None:
        raise UserError(f"--stage {stage} is unknown here; {did_you_mean(stage, stages)}")
    match = _PART.fullmatch(part or "1/1")
    number, total = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= total <= MOST_PARTS:
        raise UserError(
            f"--part {part}: expected i/n with i from 1 to n and n up to {MOST_PARTS:,}, as 3/16."
        )
    return Part(number=number, total=total, stage=name, stages=stages)
