"""Results as one HTML file: the table, and for each figure what produced it. No script, no request.

Every text is escaped; bars show a figure's place in 0 to 100 with its interval.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from instructify.protocols import OF_METHOD, departures, prompt_text
from instructify.results.table import (
    Cell,
    Row,
    Table,
    is_fine_tuned,
    percent,
    remarks_on,
    why_unscored,
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dde3ea;
  --page: #fbfcfd; --card: #ffffff; --ours: #2f6fde; --wash: #eaf1fd; --chip: #eef1f5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #9aa6b5; --line: #2c3541;
  --page: #14181e; --card: #1a2028; --ours: #6aa0ff; --wash: #1d2a40; --chip: #252d38; } }
* { box-sizing: border-box; }
body { background: var(--page); color: var(--ink); margin: 2rem auto 4rem; max-width: 80rem;
  padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .6rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9rem; } p { max-width: 50rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.all { width: 100%; } .all td, .all th { padding: .35rem .5rem; text-align: right;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
.all th { color: var(--soft); font-weight: 600; font-size: .8rem; }
.all th:first-child, .all td:first-child { text-align: left; position: sticky; left: 0;
  background: var(--page); }
.all tr.ours td { background: var(--wash); font-weight: 600; border-bottom-color: var(--ours); }
.all td.none { color: var(--line); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr));
  gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem 1rem; min-width: 0; }
.head { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; }
.big { font-size: 1.35rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.track { height: .5rem; border-radius: 3px; background: var(--chip); position: relative;
  margin: .45rem 0 .5rem; }
.track i { position: absolute; top: 0; bottom: 0; background: var(--ours); opacity: .35; }
.track b { position: absolute; top: -2px; bottom: -2px; width: 2px; background: var(--ours); }
dl { margin: .6rem 0 0; display: grid; grid-template-columns: max-content 1fr; gap: .15rem .8rem;
  font-size: .88rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
dd.text { white-space: pre-wrap; font-family: ui-monospace, monospace; font-size: .82rem; }
.tag { background: var(--chip); border-radius: 8px; padding: 0 .4rem; font-size: .75rem;
  color: var(--soft); margin-left: .35rem; white-space: nowrap; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; margin-top: .5rem; }
"""
_TOLD = {
    "set": "set here",
    "paper": "the paper",
    "author": "an author of the paper",
    "likely": "likely the paper",
    "lavis": "LAVIS",
    "authors": "the dataset's authors",
    "ours": "our choice",
}


def results_page(table: Table, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Write the page of some evaluations."""
    title = ", ".join(runs)
    cards = "\n".join(_section(name, results) for name, results in runs.items())
    remarks = "".join(f"<br>{escape(one)}" for one in remarks_on(table))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Results: {escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        "<h1>Held-out results</h1>\n"
        f"{_whole_table(table)}\n"
        f'<p class="soft">Published: {escape(table.source)}, zero-shot. Accuracies in per cent; '
        f"CIDEr, AUC and MRR times 100.{remarks}</p>\n"
        f"{cards}\n</body>\n</html>\n"
    )


def _whole_table(table: Table) -> str:
    heads = "".join(f"<th>{escape(one)}</th>" for one in table.columns)
    rows = "\n".join(_row(row, table.columns) for row in table.rows)
    return (
        f'<div class="wide"><table class="all"><thead><tr><th>model</th>{heads}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _row(row: Row, columns: Iterable[str]) -> str:
    cells = "".join(
        f'<td class="none">{percent(None)}</td>'
        if (cell := row.cells.get(column)) is None
        else f"<td>{percent(cell)}{_marks(cell)}</td>"
        for column in columns
    )
    kind = ' class="ours"' if row.is_ours else ""
    return f"<tr{kind}><td>{escape(row.name)}</td>{cells}</tr>"


def _marks(cell: Cell) -> str:
    """Mark what departs from the published protocol; the words stand in the cell's title."""
    if not cell.marks:
        return ""
    words = ["fine-tuned on this dataset"] * cell.is_fine_tuned
    words += ["trained on this prompt"] * cell.is_trained_prompt
    told = escape("; ".join([*words, *map(str, cell.departures)]))
    return f'<sup title="{told}">{cell.marks}</sup>'


def _section(name: str, results: Sequence[Mapping[str, Any]]) -> str:
    model = results[0]["model"]
    step = "" if model["step"] is None else f", step {model['step']:,}"
    aware = "" if model["instruction_aware"] else ", its Q-Former does not read the instruction"
    versions = ", ".join(f"{key} {value}" for key, value in results[0]["versions"].items())
    cards = "\n".join(_card(one) for one in results)
    return (
        f"<h2>{escape(name)}</h2>\n"
        f'<p class="soft">{escape(str(model["source"]))}{step}{aware}; weights '
        f"<code>{escape(model['sha256'][:16])}</code> in {escape(model['precision'])}; "
        f'{escape(versions)}</p>\n<div class="cards">\n{cards}\n</div>'
    )


def _card(result: Mapping[str, Any]) -> str:
    protocol = result["protocol"]
    name = f"{escape(result['name'])} <span class='soft'>{escape(protocol['split'])}</span>"
    facts = "".join(f"<dt>{escape(key)}</dt>{value}" for key, value in _facts(result))
    return (
        f'<section class="card"><div class="head"><h3>{name}</h3>{_value(result)}</div>'
        f"{_track(result)}<dl>{facts}</dl>"
        f"<details><summary>settings and where they come from</summary><dl>"
        f"{''.join(_settings(protocol))}</dl></details></section>"
    )


def _value(result: Mapping[str, Any]) -> str:
    if result["score"] is None:
        return f'<span class="soft">{escape(why_unscored(result))}</span>'
    star = "*" if result["complete"] is False else ""
    return f'<span class="big">{100 * result["score"]["value"]:.1f}{star}</span>'


def _track(result: Mapping[str, Any]) -> str:
    """Draw value and interval on 0 to 100; CIDEr goes beyond and is drawn on 0 to 200."""
    score = result["score"]
    if score is None:
        return ""
    most = 2.0 if score["metric"] == "cider" else 1.0
    low, high = (max(0.0, min(100 * one / most, 100.0)) for one in score["interval"])
    at = max(0.0, min(100 * score["value"] / most, 100.0))
    return (
        f'<div class="track"><i style="left:{low:.2f}%;width:{max(high - low, 0.3):.2f}%"></i>'
        f'<b style="left:{at:.2f}%"></b></div>'
    )


def _facts(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    score = result["score"]
    if score is not None:
        low, high = (100 * one for one in score["interval"])
        others = ", ".join(
            f"{name} {100 * value:.1f}"
            for name, value in result["variants"].items()
            if name != score["variant"]
        )
        more = f"; other variants: {others}" if others else ""
        yield "metric", _plain(f"{score['metric']}, {score['variant']}{more}")
        yield "95 % interval", _plain(f"{low:.1f} to {high:.1f}")
        subsets = list(score["subsets"].items())
        if 1 < len(subsets) <= 8:
            told = ", ".join(f"{key} {100 * value:.1f}" for key, value in subsets)
            yield "subsets", _plain(told)
    skipped = "".join(f", {count:,} {why}" for why, count in result["skipped"].items())
    yield "questions", _plain(f"{result['asked']:,} of {result['of_total']:,}{skipped}")
    yield "answers", _plain(_decoding(result["protocol"]["decode"]))
    yield "prompt", f'<dd class="text">{escape(prompt_text(result["protocol"]))}</dd>'
    if is_fine_tuned(result):
        yield "not zero-shot", _plain("the model was fine-tuned on this dataset")
    for one in departures(result["protocol"], result["model"].get("language_model")):
        yield "not as published", _plain(str(one))


def _settings(protocol: Mapping[str, Any]) -> Iterator[str]:
    for key, source in protocol["sources"].items():
        value: Any = protocol
        for part in key.split("."):
            value = value.get(part, value) if isinstance(value, Mapping) else value
        told = protocol["variant"] if key == "score" else value
        tag = f'<span class="tag">{escape(_TOLD[source])}</span>'
        yield f"<dt>{escape(key)}</dt><dd>{escape(_told(told))}{tag}</dd>"
    if protocol["note"]:
        yield f"<dt>note</dt>{_plain(protocol['note'])}"


def _decoding(decode: Mapping[str, Any]) -> str:
    method = decode["method"]
    settings = ", ".join(f"{key} {decode[key]}" for key in OF_METHOD[method])
    return f"{method}: {settings}"


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        if "method" in value:
            return _decoding(value)
        return ", ".join(f"{key} {one}" for key, one in value.items() if one not in (None, {}))
    return str(value)


def _plain(text: str) -> str:
    return f"<dd>{escape(text)}</dd>"
