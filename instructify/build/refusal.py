"""Refuse a conversion before its commit: too many rejects, a file that is cut off, or no sample.

A refusal shows the rejects in a ledger beside the build, and the first of them in the message. Its
advice depends on the cause: for rows that are wrong, allowing more rejects does not help.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from instructify._util.outside import NotReadableError, decode_json
from instructify._util.shards import write_blocks
from instructify._util.wording import counted
from instructify.build.ledger import LedgerLine, ledger_lines, still_true
from instructify.build.paths import BuildPaths, rejects_name
from instructify.build.request import ConvertRequest, check_line
from instructify.build.state import SplitState
from instructify.catalog import CAPTIONS

_OWN_READER = "table"
_MOST_FILES = 3
_DETAIL_CHARS = 300


class RejectsError(Exception):
    """A dataset has too many rejects, or there is no sample at all; nothing was committed.

    `what` counts the rejects and shows an item; the advice after it is that of `convert`.
    """

    def __init__(self, what: str, advice: str, share: float, first: str = "") -> None:
        super().__init__(f"{what}{advice}")
        self.what = f"{what}{first}"
        self.share = share  # percent


def check_rejects(request: ConvertRequest, states: Sequence[SplitState], paths: BuildPaths) -> None:
    """Refuse the commit if a dataset has too many rejects, and show its ledger."""
    for name in sorted({state.dataset for state in states}):
        states_of_dataset = [state for state in states if state.dataset == name]
        _check_whole(request, name, states_of_dataset, paths)
        allowed = request.max_rejects
        if allowed is None:
            allowed = request.catalog.dataset(name).max_rejects_percent
        lost = sum(state.rejects.total() for state in states_of_dataset)
        items = sum(state.records + state.record_rejects.total() for state in states_of_dataset)
        share = min(100, 100 * lost / max(1, items))  # a record may be rejected once for each draw
        if share <= allowed:
            continue
        ledger = _failed_ledger(name, states_of_dataset, paths)
        reasons = sum((state.rejects for state in states_of_dataset), Counter[str]()).most_common(3)
        counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
        advice = _advice(request, name, ledger, [reason for reason, _ in reasons], share)
        raise RejectsError(
            f"{name}: {_lost(request, name, lost, items)} ({share:.1f} %, allowed are "
            f"{allowed:g} %): {counts}",
            f"; see {ledger}{advice}",
            share,
            _first(ledger, reasons[0][0]),
        )


def check_not_empty(
    request: ConvertRequest, states: Sequence[SplitState], paths: BuildPaths
) -> None:
    """Refuse a conversion without any sample."""
    if request.allow_empty or any(state.samples for state in states):
        return
    lost = sum(state.rejects.total() for state in states)
    name = states[0].dataset
    seen = ""
    if lost:
        rejected = [state for state in states if state.rejects]
        name = rejected[0].dataset
        ledger = _failed_ledger(name, [state for state in rejected if state.dataset == name], paths)
        why = f"all of {counted(lost, 'item')} were rejected{_first(ledger, None)}"
        seen = f"; see {ledger}"
        what = "mend the raw data or the catalog"
    else:
        why = "the files hold no item of these splits"
        what = "give the files that hold them"
    raise RejectsError(
        f"{name}: no sample came of {_files(states)}: {why}",
        f"{seen}. Nothing was written; {what}, or keep the empty build with --allow-empty.",
        100.0,
    )


def _lost(request: ConvertRequest, name: str, lost: int, items: int) -> str:
    """Count the rejects; each turn of a conversation and each caption of a row is a record."""
    options = request.catalog.dataset(name).options
    if options.get("kind") == "conversations" or options.get("form") == CAPTIONS:
        return f"{counted(lost, 'reject')} against {counted(items - lost, 'record')}"
    return f"{lost:,} of {items:,} items were rejected"


def _advice(
    request: ConvertRequest, name: str, ledger: Path, reasons: Sequence[str], share: float
) -> str:
    """Return advice on the rejects."""
    absent = any(reason == "picture-missing" for reason in reasons)
    look = f" or run `{check_line(request, [name])}`" if absent else ""
    is_own = request.catalog.dataset(name).reader == _OWN_READER
    first = _first(ledger, reasons[0])
    if not is_own:
        alike = first if len(reasons) == 1 and share >= 100 else ""  # a file of another shape
        return f"{look}{alike}, mend the raw data or allow more with --max-rejects {_up(share)}."
    where = "the entry in your catalog" if request.catalog_file is None else request.catalog_file
    if share > 50:
        return f"{look}{first}. Most rows are read wrongly: mend {where} or the data."
    return (
        f"{look}{first}. Mend {where} or the data; or lose these items: --max-rejects {_up(share)}."
    )


def _first(ledger: Path, reason: str | None) -> str:
    """Describe the first reject of a reason."""
    for line in ledger_lines(ledger):
        try:
            reject = decode_json(line, LedgerLine)
        except NotReadableError:
            continue
        if reason is None or reject.reason == reason:
            place = "" if reject.position is None else f", item {reject.position}"
            field = "" if reject.field is None else f", {reject.field}"
            detail = reject.detail[:_DETAIL_CHARS]
            return f"; the first: {reject.source}{place}{field}: {detail}"
    return ""


def _files(states: Sequence[SplitState]) -> str:
    raws = [raw for state in states for raw in state.raw]
    names = list(dict.fromkeys(f"{raw.name} ({raw.size_bytes:,} bytes)" for raw in raws))
    more = f" and {len(names) - _MOST_FILES} more" if len(names) > _MOST_FILES else ""
    return ", ".join(names[:_MOST_FILES]) + more


def _check_whole(
    request: ConvertRequest, name: str, states: Sequence[SplitState], paths: BuildPaths
) -> None:
    """Refuse a file that is cut off, since the number of missing items is unknown."""
    cut = [state for state in states if state.rejects["cut-off"]]
    if not cut or request.max_rejects is not None:
        return
    ledger = _failed_ledger(name, states, paths)
    raise RejectsError(
        f"{name} {', '.join(state.split for state in cut)}: a raw file ends in the middle",
        f" (see 'cut-off' in {ledger}); get it again, or convert what is there with "
        "--max-rejects 100.",
        100.0,
    )


def _failed_ledger(name: str, states: Sequence[SplitState], paths: BuildPaths) -> Path:
    ledger = paths.failed_ledger(name)
    write_blocks(ledger, (line for state in states for line in _own_lines(state, paths)))
    return ledger


def _up(share: float) -> int:
    return min(100, int(share) + 1)


def _own_lines(state: SplitState, paths: BuildPaths) -> Iterator[bytes]:
    """Yield the valid lines of the existing ledger, then those that this run wrote."""
    for line in ledger_lines(paths.root / rejects_name(state.dataset)):
        if still_true(line, state):
            yield line
    for path in state.new_ledgers:
        yield from ledger_lines(path)
