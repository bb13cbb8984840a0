"""Read the settings of a recipe's run that a plan needs: steps, batch, and how batches are dealt.

The trainer reads and checks the whole recipe; a setting that is missing here has the trainer's
default.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from instructify._util.yaml_lines import Node
from instructify._util.yaml_marks import NO_KEY, Between
from instructify._util.yaml_typed import decode
from instructify.mixture import WINDOW
from instructify.recipe.read import RecipeFile

STEPS = 60_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What a plan needs of the section `run`."""

    steps: Annotated[int, Between(1)] = STEPS


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """Steps, samples of a step, and how those of `window` steps are dealt."""

    steps: Annotated[int, NO_KEY] = STEPS
    batch: Annotated[int, Between(1)] = 128
    window: Annotated[int, Between(1)] = WINDOW
    bucket: bool = True
    response_tokens: Annotated[int, Between(1)] = 256


def run_settings(recipe: RecipeFile) -> RunSettings:
    """Read the settings from the sections `run` and `data` of a recipe."""
    run = decode(_Run, recipe.run, others=_keys(recipe.run))
    return decode(RunSettings, recipe.data, given={"steps": run.steps}, others=_keys(recipe.data))


def _keys(section: Node | None) -> Iterable[str]:
    """Return the keys of a section that a plan needs; the trainer reads the others."""
    return () if section is None or section.is_null else section.entries()
