"""`inspect`: samples as text of 80 columns, or whole as JSON lines."""

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from instructify._util.terminal import WIDTH, visible
from instructify._util.wording import counted
from instructify.build import Build, public_sample
from instructify.inspecting import choose_samples
from instructify.pictures import PictureStore

_INDENT = " " * 13
_SECOND = (
    "\0"  # marks the second column of a wide character; in data this character is escaped before
)


def run_inspect(
    folder: Path,
    name: str | None,
    number: int,
    split: str | None,
    sample_id: str | None,
    *,
    as_json: bool,
) -> None:
    """Print one sample by its id, or `number` samples spread over every chosen split."""
    build = Build.open(folder)
    pictures = None if as_json else build.pictures()
    if sample_id is not None:
        chosen: Iterator[Mapping[str, Any]] = iter([build.sample(sample_id)])
    else:
        chosen = _chosen(build, name, split, number)
    count = -1
    for count, sample in enumerate(chosen):
        if as_json:
            print(json.dumps(public_sample(sample), ensure_ascii=False))
        else:
            print(("\n" if count else "") + sample_text(build, pictures, sample))
    if count < 0:
        print(f"{folder} has no samples there; its rejects say why, if any", file=sys.stderr)


def _chosen(
    build: Build, name: str | None, split: str | None, number: int
) -> Iterator[Mapping[str, Any]]:
    for chosen in choose_samples(build, name, split, number, 0):
        table = build.samples(chosen.dataset, chosen.split)
        for index in chosen.rows:
            yield table[index]


def sample_text(build: Build, pictures: PictureStore | None, sample: Mapping[str, Any]) -> str:
    """Return one sample as text for a terminal."""
    facts = f"{sample['task']}, {sample['form']}, {sample['dataset']} {sample['split']}"
    lines = ["-" * WIDTH, sample["sample_id"][:WIDTH], facts]
    lines += [_entry("picture", picture_line(pictures, key)) for key in sample["pictures"][:4]]
    if len(sample["pictures"]) > 4:
        lines.append(_entry("", f"and {len(sample['pictures']) - 4} more"))
    lines.append(text_block("instruction", sample["instruction"] or "(empty: the picture alone)"))
    if sample["qformer_instruction"] is not None:
        lines.append(text_block("Q-Former", sample["qformer_instruction"]))
    response = sample["response"]
    if response is None:
        scored = "scored against the references" if sample["references"] else "for inference only"
        response = f"(none: {scored})"
    lines.append(text_block("response", response))
    lines += _answers(build, sample)
    lines.append(_entry("template", f"{sample['template']}, draw {sample['draw']}"))
    lines.append(_entry("from", f"{sample['source']}, item {sample['position']}"))
    return "\n".join(lines)


def picture_line(pictures: PictureStore | None, key: str) -> str:
    """Describe a picture: size, kind, bytes, hash."""
    if pictures is None:
        return f"{key} (not looked at)"
    if key not in pictures:
        return f"{key} (not in the build)"
    facts = pictures.facts(key)
    size = f"{facts.size_bytes / 1000:,.1f} kB"
    return f"{key}, {facts.width}x{facts.height} {facts.kind}, {size}, sha256 {facts.sha256[:8]}"


def _answers(build: Build, sample: Mapping[str, Any]) -> list[str]:
    lines = []
    if sample["references"]:
        lines.append(_entry("references", _joined(sample["references"])))
    if sample["candidates"]:
        right = sample["choice_index"]
        text = _joined(sample["candidates"])
        lines.append(_entry("candidates", text if right is None else f"{text}; right: {right}"))
    if sample["candidate_set"] is not None:
        size = build.manifest.candidate_sets.get(sample["candidate_set"], 0)
        lines.append(
            _entry("candidates", f"set {sample['candidate_set']}, {counted(size, 'answer')}")
        )
    return lines


def _joined(texts: Sequence[str], most: int = 12) -> str:
    shown = " | ".join(texts[:most])
    return shown if len(texts) <= most else f"{shown} | ... ({len(texts)} in all)"


def _entry(label: str, text: str) -> str:
    return text_block(label, " ".join(text.split()))


def text_block(label: str, text: str) -> str:
    """Return a label with a text wrapped beside it; control characters are made visible."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += _wrapped(visible(line), WIDTH - len(_INDENT))
    first = f"{label:<{len(_INDENT)}}{lines[0].rstrip()}"
    return "\n".join([first.rstrip(), *((_INDENT + line).rstrip() for line in lines[1:])])


def _wrapped(text: str, width: int) -> list[str]:
    """Wrap at spaces by terminal columns: East Asian characters take two."""
    padded = "".join(c + _SECOND if east_asian_width(c) in "WF" else c for c in text)
    room = width if padded == text else width - 1  # a wide character may be cut in its middle
    lines = textwrap.wrap(padded, room) or [""]
    return [line.replace(_SECOND, "") for line in lines]
