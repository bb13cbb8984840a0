"""What a recipe says of its run that a plan needs: steps, batch, and how batches are dealt.

The trainer reads and checks the whole recipe; here what is not there takes the default of the
trainer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from instructify._util.yaml_lines import Node
from instructify.mixture import WINDOW

STEPS = 60_000
BATCH = 128
RESPONSE_TOKENS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """Steps, samples of a step, and how those of `window` steps are dealt."""

    steps: int = STEPS
    batch: int = BATCH
    window: int = WINDOW
    bucket: bool = True
    response_tokens: int = RESPONSE_TOKENS


def run_settings(fields: Mapping[str, Node]) -> RunSettings:
    """Read the settings from the top of a recipe."""
    data, run = (_entries(fields.get(name)) for name in ("data", "run"))
    bucket = data.get("bucket")
    return RunSettings(
        steps=_number(run.get("steps"), STEPS),
        batch=_number(data.get("batch"), BATCH),
        window=_number(data.get("window"), WINDOW),
        bucket=True if bucket is None else bucket.boolean(),
        response_tokens=_number(data.get("response_tokens"), RESPONSE_TOKENS),
    )


def _entries(node: Node | None) -> Mapping[str, Node]:
    return {} if node is None or node.is_null else node.entries()


def _number(node: Node | None, default: int) -> int:
    return default if node is None else node.integer(minimum=1)
