"""The page of a run: curves and what was drawn, in one HTML file without scripts or requests."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from instructify._util.shards import write_bytes
from instructify_train.checkpoint import Best, RunState, folder_of, read_state, steps_of
from instructify_train.run.curves import Curve, chart
from instructify_train.run.journal import read_log
from instructify_train.run.tally import Tallied, shares
from instructify_train.run_folder import read_run

PAGE = "report.html"
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dfe7;
  --page: #fbfcfd; --c0: #2f6fde; --c1: #c77d1e; --c2: #1b7f4b; --c3: #b3392f; --c4: #7a4fc9;
  --c5: #0f8a8f; --c6: #a8447f; --c7: #6b7a1e; --c8: #51606f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #9aa6b5; --line: #313a46;
  --page: #14181e; --c0: #6aa0ff; --c1: #e0a458; --c2: #57c78d; --c3: #ef8379; --c4: #b18cf0;
  --c5: #4cc5c9; --c6: #e287bd; --c7: #b5c65a; --c8: #a7b3c0; } }
body { background: var(--page); color: var(--ink); margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
.soft { color: var(--soft); } p { max-width: 46rem; }
.facts { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: 1rem 0; padding: 0; }
.facts div { min-width: 6rem; } .facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); } .raw { opacity: .28; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; }
.key i { display: inline-block; width: .9rem; height: .2rem; margin-right: .35rem;
  vertical-align: middle; }
details { margin-top: 1rem; } summary { cursor: pointer; }
"""


def write_page(run: Path) -> None:
    """Write the page of a run from its log and its last checkpoint."""
    steps = steps_of(run)
    state = read_state(folder_of(run, steps[-1])) if steps else None
    page = run_page(run.name, read_run(run), read_log(run), state)
    write_bytes(run / PAGE, page.encode())


def run_page(
    name: str,
    facts: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
    state: RunState | None,
) -> str:
    """Lay out the page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Run {escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Run <em>{escape(name)}</em></h1>\n"
        f'<p class="soft">{escape(_sentence(facts))}</p>\n{_figures(facts, log, state)}\n'
        f"<h2>Loss on the mixture</h2>\n{_training(log)}\n"
        f"{_over_time(log, 'validation', 'Loss on held-in validation', lowest=True)}\n"
        f"{_over_time(log, 'scores', 'Scores on held-in protocols', lowest=False)}\n"
        f"{_drawn(state)}\n</body>\n</html>\n"
    )


def _sentence(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['model']}: {facts['parameters']:,} parameters, {facts['trained']:,} trained; "
        f"global batch {facts['batch']}, {facts['precision']} on {facts['device']}, "
        f"{facts['processes']} process{'es' if facts['processes'] > 1 else ''}."
    )


def _figures(
    facts: Mapping[str, Any], log: Sequence[Mapping[str, Any]], state: RunState | None
) -> str:
    lines = [line for line in log if "last_loss" in line]
    checks = [line for line in log if "validation_mean" in line]
    done = lines[-1]["step"] if lines else 0
    shown = [("steps", f"{done:,} of {facts['steps']:,}")]
    if lines:
        shown.append(("loss of the last step", f"{lines[-1]['last_loss']:.4f}"))
        rates = sorted(line["samples_per_s"] for line in lines)
        waits = sorted(line["data_wait"] for line in lines)
        shown.append(("samples/s", f"{rates[len(rates) // 2]:,.0f}"))
        shown.append(("wait for data", f"{100 * waits[len(waits) // 2]:.1f} %"))
        shown.append(("memory", f"{max(line['memory_gb'] for line in lines):.1f} GB"))
    if checks:
        shown.append(("validation loss", f"{checks[-1]['validation_mean']:.3f}"))
    if state is not None and state.best is not None:
        shown.append(best_figure(state.best))
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in shown)
    return f'<dl class="facts">{items}</dl>'


def best_figure(best: Best) -> tuple[str, str]:
    """Say by what the best checkpoint is the best, how good it is, and after which step."""
    if best.score is not None:
        return "best mean score", f"{100 * best.score:.1f} at step {best.step:,}"
    return "best validation loss", f"{best.loss:.3f} at step {best.step:,}"


def _training(log: Sequence[Mapping[str, Any]]) -> str:
    points = [(float(line["step"]), float(line["loss"])) for line in log if "last_loss" in line]
    if not points:
        return '<p class="soft">No step has been logged yet.</p>'
    smooth = _smoothed(points)
    return chart([Curve("a log line each", points, 0, True), Curve("smoothed", smooth, 0, False)])


def _over_time(log: Sequence[Mapping[str, Any]], key: str, title: str, *, lowest: bool) -> str:
    """Draw what was measured of each dataset now and then, with its first, best and last value."""
    lines = [line for line in log if key in line]
    if not lines:
        return ""
    names = sorted({name for line in lines for name in line[key]})
    series = {
        name: [(line["step"], line[key][name]) for line in lines if name in line[key]]
        for name in names
    }
    curves = [Curve(name, series[name], number % 9, False) for number, name in enumerate(names)]
    rows = ""
    for name in names:
        values = [value for _, value in series[name]]
        best = min(values) if lowest else max(values)
        rows += (
            f"<tr><td>{escape(name)}</td><td>{values[0]:.3f}</td><td>{best:.3f}</td>"
            f"<td>{values[-1]:.3f}</td></tr>"
        )
    heads = ("dataset", "first", "lowest" if lowest else "highest", "last")
    head = "".join(f"<th>{one}</th>" for one in heads)
    return (
        f"<h2>{title}</h2>\n{chart(curves)}\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _drawn(state: RunState | None) -> str:
    if state is None:
        return ""
    members = shares(state.tally.get("member", {}))
    templates = shares(state.tally.get("template", {}))
    return (
        "<h2>What was drawn</h2>\n"
        '<p class="soft">Share of loss: what the label tokens count in the loss of all steps, by '
        "the batches of the recipe; not how high the loss is.</p>\n"
        f"{_share_table('member', members)}\n<details><summary>{len(templates)} templates</summary>"
        f"{_share_table('template', templates)}</details>"
    )


def _share_table(kind: str, rows: Sequence[Tallied]) -> str:
    samples, labels = sum(one.samples for one in rows), sum(one.labels for one in rows)
    body = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{one.samples:,}</td>"
        f"<td>{100 * one.samples / max(samples, 1):.1f} %</td><td>{one.labels:,}</td>"
        f"<td>{100 * one.labels / max(labels, 1):.1f} %</td><td>{100 * one.loss_share:.1f} %</td>"
        f"<td>{one.loss:.3f}</td></tr>"
        for one in rows
    )
    return (
        f'<div class="wide"><table><thead><tr><th>{kind}</th><th>samples</th><th>share</th>'
        "<th>label tokens</th><th>share</th><th>share of loss</th><th>mean loss</th></tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average over a tenth of the run, at most 50 lines."""
    width = max(1, min(50, len(points) // 10))
    found = []
    for at, (step, _) in enumerate(points):
        near = [loss for _, loss in points[max(0, at - width + 1) : at + 1]]
        found.append((step, sum(near) / len(near)))
    return found
