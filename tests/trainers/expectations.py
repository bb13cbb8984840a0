"""What a check of a trainer is told, and how it reads it; imported in each trainer's environment.

No more than the standard library: the environments share nothing else.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Given(NamedTuple):
    """One sample as the build has it; `chat` is its instruction as chat messages must have it."""

    sample_id: str
    dataset: str
    split: str
    instruction: str
    chat: str
    response: str | None
    answers: list[str] | None
    pictures: list[str]  # sha256 of the bytes of each


class Case(NamedTuple):
    """The exports to read, and what is in them."""

    tars: Path
    chat: Path
    given: dict[tuple[str, str], list[Given]]

    def answered(self, dataset: str, split: str) -> list[Given]:
        return [one for one in self.given[dataset, split] if one.response is not None]


def read_case() -> Case:
    """Read what the first argument of the program names."""
    value: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    given: dict[tuple[str, str], list[Given]] = {}
    for row in value["given"]:
        one = Given(**row)
        given.setdefault((one.dataset, one.split), []).append(one)
    return Case(Path(value["tars"]), Path(value["chat"]), given)


def sha256(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def require(holds: bool, what: str) -> None:
    """Stop with what does not hold; unlike assert, also under -O."""
    if not holds:
        raise SystemExit(f"does not hold: {what}")
