"""`explain`: the steps from raw file to sample, each made again and compared with the build."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instructify._util.terminal import WIDTH
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.commands.inspect import text_block
from instructify.explaining import ExplainRequest, Explanation, Step, explain, explanation_value
from instructify.templating import TemplateFolders

_MOST_LINES = 14


def run_explain(
    folder: Path,
    sample_id: str,
    *,
    raw: Path | None,
    ocr: Path | None,
    templates: TemplateFolders,
    catalog_file: Path | None,
    as_json: bool,
) -> int:
    """Print the steps of a sample; returns 1 if a step differs from the build, else 0."""
    request = ExplainRequest(
        build=Build.open(folder),
        sample_id=sample_id,
        catalog=load_catalog(extra=catalog_file),
        templates=templates.load(),
        raw=raw,
        ocr=ocr,
    )
    explanation = explain(request)
    if as_json:
        print(json.dumps(explanation_value(explanation), indent=1, ensure_ascii=False))
    else:
        print("\n".join(_lines(explanation)))
    return 1 if explanation.differs else 0


def _lines(explanation: Explanation) -> Iterator[str]:
    yield explanation.sample["sample_id"]
    for step in explanation.steps:
        yield "-" * WIDTH
        yield from _step_lines(step)
    yield "-" * WIDTH
    for name in ("instruction", "qformer_instruction", "response"):
        value = explanation.sample[name]
        if value is not None:
            yield text_block(name.partition("_")[0], value)
    yield "=" * WIDTH
    yield _verdict(explanation)


def _step_lines(step: Step) -> Iterator[str]:
    state = step.state if not step.detail else f"{step.state}: {step.detail}"
    yield text_block(step.name, state)
    for name, value in step.facts.items():
        if step.name == "source":
            yield text_block("", f"{name}, {value}")
            continue
        lines = text_block(name.replace("_", " ")[:12], _shown(value)).splitlines()
        yield from lines[:_MOST_LINES]
        if len(lines) > _MOST_LINES:
            yield f"{'':<13}... {len(lines) - _MOST_LINES} more lines; --json has all"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _verdict(explanation: Explanation) -> str:
    for step in explanation.steps:
        if step.state == "differs":
            return text_block("differs", f"first at the {step.name}: {step.detail}")
    open_ones = [step.name for step in explanation.steps if step.state == "not checked"]
    left = f"; not checked: {', '.join(dict.fromkeys(open_ones))}" if open_ones else ""
    return f"made again, byte for byte the same{left}"
