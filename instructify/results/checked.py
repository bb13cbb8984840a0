"""Checks of a result when it is read, since the folder may come from a stranger."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from instructify._util.errors import UserError
from instructify.protocols import OF_METHOD, Source


class _Score(msgspec.Struct):
    metric: str
    variant: str
    value: float
    count: int
    interval: tuple[float, float]
    subsets: dict[str, float]


class _Fields(msgspec.Struct):
    context: bool
    caption: bool
    text: bool
    ocr_tokens: int | None
    history: int | None


class _Rule(msgspec.Struct):
    source: str | None = None
    labels: dict[str, list[str]] = {}


class _Protocol(msgspec.Struct, kw_only=True):
    dataset: str
    split: str
    fields: _Fields
    frames: int | None
    candidates: _Rule | None
    qformer_instruction: str | None
    variant: str
    prompt: str
    instruction: str | None
    note: str | None
    decode: dict[str, Any]
    sources: dict[str, Source]


class _Model(msgspec.Struct):
    step: int | None
    instruction_aware: bool
    sha256: str
    precision: str
    source: Any
    fine_tuned_on: list[str] | str = []
    language_model: str | None = None
    evaluation_prompts: list[str] = []


class _Result(msgspec.Struct, kw_only=True):
    """The values of a result that are shown; a result may hold more."""

    name: str
    dataset: str
    asked: int
    of_total: int
    complete: bool | None
    skipped: dict[str, int]
    undefined: str | None
    score: _Score | None
    variants: dict[str, float]
    versions: dict[str, str]
    model: _Model
    protocol: _Protocol


def checked_results(results: Iterable[Mapping[str, Any]], folder: Path) -> list[Mapping[str, Any]]:
    """Return the results of a folder.

    Raises:
        UserError: a result is damaged, so that it can't be shown.
    """
    checked = list(results)
    for result in checked:
        fault = _fault(result)
        if fault is not None:
            raise UserError(
                f"{folder} holds a result that is damaged ({fault}); evaluate again into another "
                "--out"
            )
    return checked


def _fault(result: Mapping[str, Any]) -> str | None:
    try:
        shown = msgspec.convert(result, _Result)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        return str(error)
    decodes = [shown.protocol.decode, *_decodes_below(result["protocol"])]
    for decode in decodes:
        method = decode.get("method")
        settings = OF_METHOD.get(method) if isinstance(method, str) else None
        if settings is None or any(key not in decode for key in settings):
            return f"{str(method)[:40]!r} is not a decoding method"
    return None


def _decodes_below(protocol: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return other values of a protocol that are shown as decoding, since they have a method."""
    return [
        value for value in protocol.values() if isinstance(value, Mapping) and "method" in value
    ]
