"""`teach-towers`: train the vision tower and the language model of a tiny model on twins."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from instructify._util.terminal import bar_stream

if TYPE_CHECKING:
    from instructify_train.tiny import TowersReport


def run_teach_towers(
    out: Path,
    preset: str,
    *,
    seed: int,
    vision_steps: int,
    language_steps: int,
    grounding_steps: int,
    as_json: bool,
) -> None:
    """Train both towers, write the model, and print how well the towers do on new data."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from instructify_train.tiny import TowersRequest, teach_towers

    request = TowersRequest(
        preset=preset,
        seed=seed,
        vision_steps=vision_steps,
        language_steps=language_steps,
        grounding_steps=grounding_steps,
    )
    steps = vision_steps + language_steps + grounding_steps
    with tqdm(total=steps, unit="step", file=bar_stream(), disable=None) as bar:

        def on_step(stage: str, step: int, steps: int, loss: float) -> None:
            bar.set_description(stage, refresh=False)
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
            bar.update()

        report = teach_towers(request, out, on_step)
    print(json.dumps(report.as_json(), indent=1) if as_json else _report_text(report, out))


def _report_text(report: "TowersReport", out: Path) -> str:
    heads = [
        (name if name.startswith("sign") else f"{name} of a cell", share)
        for name, share in report.sight.heads.items()
    ]
    lines = [
        f"vision tower, {report.vision_steps} steps in {report.vision_s:.0f} s; on new scenes:",
        _row("things with colour, shape and size right", report.sight.things),
        *(_row(name, share) for name, share in heads),
        "",
        f"language model, {report.language_steps} steps in {report.language_s:.0f} s; on new text:",
        _row("short answers right, picture described", report.marks.accuracy),
        _row("short answers right, nothing described", report.marks.blind),
        *_in_columns(report.marks.kinds.items()),
        f"  loss a response token {report.marks.loss:.3f}",
        "",
        f"Q-Former, {report.grounding_steps} steps in {report.grounding_s:.0f} s; on new scenes:",
        _row("numbers of things right", report.found.number),
        _row("single things right in all looks", report.found.thing),
        "",
    ]
    end = [
        f"{out}: {report.preset}, seed {report.seed}, {report.threads} threads; train it:",
        f"  instructify train BUILD --recipe tiny --set model.name={out} --out RUN",
    ]
    return "\n".join([*lines, *end])


def _row(name: str, share: float) -> str:
    return f"  {name:<42} {100 * share:5.1f} %"


def _in_columns(kinds: Iterable[tuple[str, float]]) -> list[str]:
    """Lay out kinds of questions in two columns."""
    cells = [f"{name:<24} {100 * share:5.1f} %" for name, share in kinds]
    rows = (len(cells) + 1) // 2
    return [
        f"    {left:<34}  {right}".rstrip()
        for left, right in zip(cells[:rows], [*cells[rows:], ""], strict=False)
    ]
