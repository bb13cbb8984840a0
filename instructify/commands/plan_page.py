"""The page of a plan: members by share, and the difference from another plan."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from instructify.pages import Head, Identity, date_of, find_links, render_page
from instructify.recipe import Change, Plan, PlanRow

_MANY_PASSES = 100


class Column(NamedTuple):
    """A column of figures: the lines of its title, a text for each row, and the total."""

    title: tuple[str, ...]
    cells: tuple[str, ...]
    total: str = ""


class Member(NamedTuple):
    """A row: its name, the lengths of its bars (1 is the widest), and a flag for many passes."""

    name: str
    share: float
    loss: float
    has_many_passes: bool


def plan_page(
    plan: Plan, before: Plan | None, changes: Sequence[Change], loss: str, folder: Path, page: Path
) -> bytes:
    """Return the page of a plan and, if another plan is given, of the difference.

    Args:
        plan: the plan that is shown.
        before: the plan that it is compared with.
        changes: their difference, member by member.
        loss: what the share of loss is.
        folder: the build.
        page: the file that the page is written to.
    """
    rows = sorted(plan.rows, key=lambda row: (-row.probability, row.member))
    columns, dropped = _columns(plan, rows)
    identity = Identity(kind="Plan", name=plan.recipe, build=plan.build)
    head = Head(
        identity=identity,
        date=date_of(folder / "manifest.json"),
        about=f"on build {plan.build}",
        links=find_links(page, identity),
    )
    values = {
        "plan": plan,
        "sizes": f"{plan.size:,} for every member" if isinstance(plan.size, int) else plan.size,
        "members": _members(rows),
        "columns": columns,
        "dropped": dropped,
        "shows_loss": not _is_loss_the_share(rows),
        "many": [row.member for row in rows if row.passes > _MANY_PASSES],
        "most_passes": _MANY_PASSES,
        "loss": loss,
        "before": before,
        "changes": [_change(change) for change in _by_share(changes)],
    }
    return render_page("plan.html", head, values)


def _members(rows: Sequence[PlanRow]) -> list[Member]:
    widest = max(max(row.probability, row.loss_share) for row in rows) or 1.0
    return [
        Member(
            row.member,
            row.probability / widest,
            row.loss_share / widest,
            row.passes > _MANY_PASSES,
        )
        for row in rows
    ]


def _columns(plan: Plan, rows: Sequence[PlanRow]) -> tuple[list[Column], list[str]]:
    """Return the columns to show, and the reasons why other columns are left out."""
    records = f"{sum(row.size for row in rows):,}"
    everything = [
        _column(rows, ("share", "%"), lambda row: f"{100 * row.probability:.2f}", "100"),
        _column(rows, ("share of", "loss, %"), lambda row: f"{100 * row.loss_share:.2f}", "100"),
        _column(rows, ("share of", "words, %"), lambda row: f"{100 * row.answer_share:.2f}", "100"),
        _column(rows, ("records",), lambda row: f"{row.size:,}", records),
        _column(rows, ("weighed", "as"), lambda row: f"{row.weighed:,}"),
        _column(rows, (f"size^{plan.alpha:g}",), lambda row: f"{row.root:,.1f}"),
        _column(rows, ("factor",), lambda row: f"{row.factor:g}"),
        _column(
            rows,
            ("expected", "draws"),
            lambda row: f"{row.expected_draws:,.0f}",
            f"{plan.samples:,}",
        ),
        _column(rows, ("passes",), lambda row: rounded(row.passes)),
        _column(rows, ("words an", "answer"), lambda row: f"{row.words_per_answer:.1f}"),
        _column(
            rows,
            ("text on", "disk, MB"),
            lambda row: f"{row.disk_bytes / 1e6:,.1f}",
            f"{plan.disk_bytes / 1e6:,.1f}",
        ),
    ]
    shown: list[Column] = []
    dropped: list[str] = []
    for column in everything:
        name = " ".join(column.title)
        twin = next((other for other in shown if other.cells == column.cells), None)
        if twin is not None:
            dropped.append(f"{name} is {' '.join(twin.title)}")
        elif len(rows) > 1 and len(set(column.cells)) == 1 and not column.total:
            dropped.append(f"{name} is {column.cells[0]} for all")
        else:
            shown.append(column)
    return shown, dropped


def _column(
    rows: Sequence[PlanRow], title: tuple[str, ...], text: Callable[[PlanRow], str], total: str = ""
) -> Column:
    return Column(title, tuple(text(row) for row in rows), total)


def _is_loss_the_share(rows: Sequence[PlanRow]) -> bool:
    return all(abs(row.loss_share - row.probability) < 5e-5 for row in rows)


def rounded(passes: float) -> str:
    """Format a number of passes: whole from 10 on, with fewer decimals the larger it is."""
    return (
        f"{passes:,.0f}"
        if passes >= 9.95
        else f"{passes:.1f}"
        if passes >= 0.95
        else f"{passes:.2f}"
    )


class _Row(NamedTuple):
    member: str
    points: float
    share: tuple[str, str]
    loss: tuple[str, str]
    draws: tuple[str, str]
    passes: tuple[str, str]


def _by_share(changes: Sequence[Change]) -> list[Change]:
    def share(change: Change) -> float:
        return change.now.probability if change.now is not None else 0.0

    return sorted(changes, key=lambda change: (-share(change), change.member))


def _change(change: Change) -> _Row:
    def both(text: Callable[[PlanRow], str]) -> tuple[str, str]:
        before, now = (
            "\u2013" if row is None else text(row) for row in (change.before, change.now)
        )
        return before, now

    return _Row(
        change.member,
        change.points,
        both(lambda row: f"{100 * row.probability:.2f}"),
        both(lambda row: f"{100 * row.loss_share:.2f}"),
        both(lambda row: f"{row.expected_draws:,.0f}"),
        both(lambda row: rounded(row.passes)),
    )
