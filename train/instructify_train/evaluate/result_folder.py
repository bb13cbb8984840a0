"""The folder of an evaluation: parts while it runs; predictions, references and result at the end.

OUT/<protocol>/asked.json          model, protocol and options, which identify the evaluation
OUT/<protocol>/parts/00000.jsonl   predictions so far; removed at the end
OUT/<protocol>/predictions.jsonl   id, prediction (or score, scores), prompt, score of the item
OUT/<protocol>/references.jsonl    golds; `instructify score` reads both without model or build
OUT/<protocol>/result.json         the score and everything that produced it
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, check_links, decode_values, read_regular
from instructify._util.shards import sweep, write_bytes, write_json
from instructify.build import write_lock
from instructify.metrics import Item
from instructify.results import PREDICTIONS, REFERENCES, RESULT, RESULT_FORMAT, read_result

_ASKED = "asked.json"
_PARTS = "parts"
_LOCK = ".lock"
MAX_PART_BYTES = 1 << 32
_NOT_OURS = ("manifest.json", "recipe.yaml", "config.json")  # of a build, a run, a model


class ResultFolder:
    """The folder of one protocol's evaluation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def held(self, *, is_first: bool) -> Iterator[None]:
        """Lock the folder in the first process, which alone writes files other than parts."""
        if not is_first:
            yield
            return
        check_links(self.folder.parent, [self.folder.name])
        with write_lock(self.folder / _LOCK):
            yield

    def claim(self, key: str, facts: Mapping[str, Any], *, resume: bool) -> None:
        """Start or resume an evaluation; refuse a folder with other contents."""
        sweep(self.folder)
        sweep(self.folder / _PARTS)
        asked = self.folder / _ASKED
        if asked.exists():
            before = read_result(asked)
            if before.get("key") != key:
                raise UserError(
                    f"{self.folder} holds another evaluation ({_difference(before, facts)}); "
                    "choose another --out"
                )
            if not resume:
                raise UserError(
                    f"{self.folder} holds this evaluation already; go on with it, or read what it "
                    "found, by `--resume`, or choose another --out"
                )
            return
        if any(path.name not in (_PARTS, _LOCK) for path in self.folder.iterdir()):
            raise UserError(f"{self.folder} is not empty; choose another --out")
        write_json(asked, {"format": RESULT_FORMAT, "key": key, **facts})

    def result(self) -> dict[str, Any] | None:
        """Read the result if the evaluation is complete."""
        path = self.folder / RESULT
        return read_result(path) if path.exists() else None

    def done(self) -> set[int]:
        """Return the numbers of the parts that are complete."""
        parts = (self.folder / _PARTS).glob("[0-9]*.jsonl")
        return {int(path.stem) for path in parts if path.stem.isascii() and path.stem.isdigit()}

    def write_part(self, number: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Write a part atomically."""
        write_bytes(self._part(number), _lines(predictions))

    def read_parts(self, count: int) -> list[dict[str, Any]]:
        """Read the predictions of all parts in order."""
        return [row for number in range(count) for row in _rows(self._part(number))]

    def finish(
        self,
        predictions: Sequence[Mapping[str, Any]],
        items: Sequence[Item],
        result: Mapping[str, Any],
    ) -> None:
        """Write predictions, references and finally the result; then delete the parts."""
        write_bytes(self.folder / PREDICTIONS, _lines(predictions))
        write_bytes(self.folder / REFERENCES, _lines([_reference(item) for item in items]))
        write_json(self.folder / RESULT, {"format": RESULT_FORMAT, **result})
        shutil.rmtree(self.folder / _PARTS, ignore_errors=True)

    def _part(self, number: int) -> Path:
        return self.folder / _PARTS / f"{number:05}.jsonl"


def check_out(out: Path) -> None:
    """Refuse a folder with other contents than evaluations, such as a build or raw files."""
    if not out.is_dir():
        return
    others = [
        path.name
        for path in sorted(out.iterdir())
        if (path.is_dir() and not _may_be_evaluation(path)) or path.name in _NOT_OURS
    ]
    if others:
        raise UserError(
            f"{out} holds other things than evaluations ({', '.join(others[:3])}); choose another "
            "--out"
        )


def _may_be_evaluation(folder: Path) -> bool:
    return (folder / _ASKED).exists() or all(
        path.name in (_PARTS, _LOCK) or path.suffix == ".tmp" for path in folder.iterdir()
    )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    changed = [
        name.removesuffix("_sha256").replace("split", "records")
        for name in now
        if before.get(name) != now[name]
    ]
    return f"other {', '.join(changed)}" if changed else "of another version"


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = read_regular(path, MAX_PART_BYTES).split(b"\n")
        return [decode_values(line) for line in lines if line]
    except (OSError, NotReadableError) as error:
        raise UserError(f"{path} is damaged; delete it, and it is answered again") from error


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _reference(item: Item) -> dict[str, Any]:
    value: dict[str, Any] = {"id": item.id}
    for name in ("references", "choices", "relevance"):
        if getattr(item, name):
            value[name] = list(getattr(item, name))
    for name in ("label", "gold", "subset"):
        if getattr(item, name) is not None:
            value[name] = getattr(item, name)
    if item.difficult:
        value["difficult"] = True
    return value
