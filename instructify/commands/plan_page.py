"""The plan as one HTML file: no script, no request, light and dark, every text escaped."""

from collections.abc import Sequence
from html import escape

from instructify.recipe import Change, Plan, PlanRow

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dfe7;
  --page: #fbfcfd; --bar: #2f6fde; --loss: #c77d1e; --up: #1b7f4b; --down: #b3392f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #9aa6b5; --line: #313a46;
  --page: #14181e; --bar: #6aa0ff; --loss: #e0a458; --up: #57c78d; --down: #ef8379; } }
body { background: var(--page); color: var(--ink); margin: 2rem auto; max-width: 78rem;
  padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p { max-width: 46rem; } .soft { color: var(--soft); }
.note { border-left: 3px solid var(--loss); padding-left: .8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .45rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .left { text-align: left; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--page); }
@media (max-width: 40rem) { body { font-size: 14px; } .member { white-space: normal; } }
tfoot td { font-weight: 600; }
.bars { width: 20%; min-width: 6rem; }
.bar { display: block; height: .5rem; margin: 2px 0; border-radius: 2px; min-width: 1px; }
.key { display: inline-block; width: .9rem; margin: 0 .3rem; }
.share { background: var(--bar); } .loss { background: var(--loss); }
.up { color: var(--up); } .down { color: var(--down); }
code { font-size: .85em; overflow-wrap: anywhere; }
"""


def plan_page(plan: Plan, before: Plan | None, changes: Sequence[Change], loss: str) -> str:
    """Write the page of a plan and, where there is another one, of the difference.

    `loss` explains the share of loss.
    """
    note = "" if plan.note is None else f'<p class="note">{escape(plan.note)}</p>'
    difference = "" if before is None else _difference(before, changes)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Plan: {escape(plan.recipe)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Plan of <em>{escape(plan.recipe)}</em> on {escape(plan.build)}</h1>\n"
        f"{_facts(plan)}\n{note}\n{_members(plan, loss)}\n{difference}\n"
        f'<p class="soft">mixture <code>{escape(plan.mixture_hash)}</code>, seed {plan.seed}</p>\n'
        "</body>\n</html>\n"
    )


def _facts(plan: Plan) -> str:
    sizes = f"{plan.size:,} for every member" if isinstance(plan.size, int) else plan.size
    batches = "batches mixed"
    if plan.logical_batch is not None:
        number = plan.batch // plan.logical_batch
        batches = f"each step {number} batches of {plan.logical_batch}, each of one dataset"
    share = f"proportional to size<sup>{plan.alpha:g}</sup> &times; factor"
    if plan.shares == "uniform":
        share = "the same for all datasets"
    return (
        f"<p>{plan.steps:,} steps of {plan.batch:,} samples make {plan.samples:,} samples of "
        f"{plan.num_datasets} datasets ({len(plan.rows)} members). A share is {share}; "
        f"sizes: {escape(sizes)}; order: {escape(plan.order)}; {batches}.</p>"
    )


def _members(plan: Plan, loss: str) -> str:
    widest = max(max(row.probability, row.loss_share) for row in plan.rows)
    rows = "\n".join(_row(row, widest) for row in plan.rows)
    records = sum(row.size for row in plan.rows)
    return (
        '<div class="wide"><table>\n<thead><tr><th>member</th><th>share</th>'
        '<th class="bars left">'
        '<span class="bar share key"></span>share<br><span class="bar loss key"></span>loss</th>'
        "<th>share of<br>loss</th><th>share of<br>words</th><th>records</th><th>weighed<br>as</th>"
        f"<th>size<sup>{plan.alpha:g}</sup></th><th>factor</th>"
        "<th>expected<br>draws</th><th>passes</th><th>words an<br>answer</th>"
        "<th>text on<br>disk, MB</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n<tfoot><tr><td>all</td><td>100 %</td><td></td>"
        f"<td>100 %</td><td>100 %</td><td>{records:,}</td>{'<td></td>' * 3}"
        f"<td>{plan.samples:,}</td><td></td><td></td><td>{plan.disk_bytes / 1e6:,.1f}</td></tr>"
        "</tfoot>\n</table></div>\n"
        f'<p class="soft">Loss: {escape(loss)} Words are split at white space; they are not the '
        "tokens of a model. Of large members a spread of samples is counted. Passes are over "
        f"records{_order(plan)}. All pictures of the build take "
        f"{plan.picture_bytes / 1e6:,.1f} MB; datasets share them.</p>"
    )


def _order(plan: Plan) -> str:
    if plan.order == "random":
        return ", which come at random, with replacement"
    return "; each pass has another order and takes another rendering"


def _row(row: PlanRow, widest: float) -> str:
    return (
        f'<tr><td class="member">{escape(row.member).replace("/", "/<wbr>")}</td>'
        f'<td>{100 * row.probability:.2f} %</td><td class="bars">'
        f"{_bar('share', row.probability / widest)}{_bar('loss', row.loss_share / widest)}</td>"
        f"<td>{100 * row.loss_share:.2f} %</td><td>{100 * row.answer_share:.2f} %</td>"
        f"<td>{row.size:,}</td><td>{row.weighed:,}</td>"
        f"<td>{row.root:,.1f}</td><td>{row.factor:g}</td>"
        f"<td>{row.expected_draws:,.0f}</td><td>{row.passes:,.2f}</td>"
        f"<td>{row.words_per_answer:.1f}</td><td>{row.disk_bytes / 1e6:,.1f}</td></tr>"
    )


def _bar(kind: str, part: float) -> str:
    return f'<span class="bar {kind}" style="width:{100 * part:.1f}%"></span>'


def _difference(before: Plan, changes: Sequence[Change]) -> str:
    rows = "\n".join(_change(change) for change in changes)
    return (
        f"<h2>Compared with <em>{escape(before.recipe)}</em> on {escape(before.build)}</h2>\n"
        '<div class="wide"><table>\n<thead><tr><th>member</th><th>share was</th><th>share is</th>'
        "<th>points</th><th>loss was</th><th>loss is</th><th>draws were</th><th>draws are</th>"
        "<th>passes were</th><th>passes are</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _change(change: Change) -> str:
    kind = "up" if change.points > 0.005 else "down" if change.points < -0.005 else "soft"
    cells = [
        f"<td>{_cell(row, what)}</td>"
        for what in ("share", "loss", "draws", "passes")
        for row in (change.before, change.now)
    ]
    cells.insert(2, f'<td class="{kind}">{change.points:+.2f}</td>')
    return f"<tr><td>{escape(change.member)}</td>{''.join(cells)}</tr>"


def _cell(row: PlanRow | None, what: str) -> str:
    if row is None:
        return "&ndash;"
    if what == "share":
        return f"{100 * row.probability:.2f} %"
    if what == "loss":
        return f"{100 * row.loss_share:.2f} %"
    return f"{row.expected_draws:,.0f}" if what == "draws" else f"{row.passes:,.2f}"
