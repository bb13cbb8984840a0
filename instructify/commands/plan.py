"""`plan`: the mixture of a recipe applied to a build, as text of 80 columns, a page or JSON."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify.build import Build
from instructify.catalog import Catalog, load_catalog
from instructify.commands.plan_page import plan_page
from instructify.recipe import (
    Change,
    Plan,
    PlanRow,
    changed_recipe,
    compare,
    make_plan,
    mix_build,
    mixture_of,
    plan_value,
    read_recipe,
    recipe_path,
    run_settings,
)

WIDTH = 80
_PLANNED = ("mixture", "data", "run")


def run_plan(
    folder: Path,
    recipe: str,
    *,
    set_to: Sequence[str] = (),
    steps: int | None,
    batch: int | None,
    html: Path | None,
    against: str | None,
    catalog_file: Path | None,
    as_json: bool,
) -> None:
    """Print the plan, and its difference from the plan of another recipe or build.

    Where `steps` or `batch` is None, both plans use the value of the first recipe.
    """
    catalog = load_catalog(extra=catalog_file)
    plan = planned(folder, recipe, set_to, catalog, steps=steps, batch=batch)
    size = (plan.steps, plan.batch)
    other = None if against is None else _other(folder, recipe, set_to, against, catalog, *size)
    changes = () if other is None else compare(other, plan)
    if html is not None:
        _write(html, plan_page(plan, other, changes, loss_explained(plan), folder, html))
    if as_json:
        print(json.dumps(plan_value(plan, changes), indent=1))
        return
    print(plan_text(plan))
    if other is not None:
        print("\n" + changes_text(other, plan, changes))
    if html is not None:
        print(f"\npage: {html}")


def planned(
    folder: Path,
    recipe: str,
    settings: Sequence[str],
    catalog: Catalog,
    *,
    steps: int | None = None,
    batch: int | None = None,
) -> Plan:
    """Make the plan of a recipe for a build.

    Args:
        folder: the build.
        recipe: a name or a YAML file.
        settings: changes of the recipe, each as `key=value`.
        catalog: the catalog with the datasets of the build.
        steps: steps of the run; None takes those of the recipe.
        batch: samples of a step on all GPUs; None takes those of the recipe.

    Raises:
        UserError: a plan does not depend on one of the settings.
    """
    _check_settings(settings)
    run = run_settings(read_recipe(changed_recipe(recipe, settings)))
    size = (run.steps if steps is None else steps, run.batch if batch is None else batch)
    return _plan(folder, recipe, settings, catalog, *size)


def _check_settings(settings: Sequence[str]) -> None:
    """Refuse settings that a plan does not depend on, since they would change nothing."""
    for setting in settings:
        top = setting.partition("=")[0].strip().partition(".")[0]
        if top not in _PLANNED:
            raise UserError(
                f"--set {setting} has no effect on a plan; use settings of {', '.join(_PLANNED)}"
            )


def _plan(
    folder: Path, recipe: str, settings: Sequence[str], catalog: Catalog, steps: int, batch: int
) -> Plan:
    file = read_recipe(changed_recipe(recipe, settings))
    mixture = mixture_of(file.mixture, file.name or recipe_path(recipe).stem)
    mixed = mix_build(Build.open(folder), mixture, catalog, batch=batch)
    return make_plan(mixed, steps=steps, batch=batch, settings=run_settings(file))


def _other(
    folder: Path,
    recipe: str,
    settings: Sequence[str],
    against: str,
    catalog: Catalog,
    steps: int,
    batch: int,
) -> Plan:
    """Make the other plan: a folder is another build, any other value another recipe."""
    if Path(against).is_dir():
        return _plan(Path(against), recipe, settings, catalog, steps, batch)
    return _plan(folder, against, (), catalog, steps, batch)


def _write(path: Path, page: bytes) -> None:
    try:
        path.write_bytes(page)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); give --html a file in a folder that "
            "exists"
        ) from error


def plan_text(plan: Plan) -> str:
    """Return a plan as text for a terminal."""
    lines = [
        *_wrapped(
            f"{plan.recipe}: {plan.num_datasets} datasets, {len(plan.rows)} members, "
            f"{plan.order} order, {_shares(plan)}"
        ),
        *_wrapped(
            f"{plan.steps:,} steps of {plan.batch:,} = {plan.samples:,} samples; "
            f"{_batches(plan)}; sizes: {_sizes(plan)}"
        ),
        "",
        *_member_lines(plan),
        "",
        *_wrapped(explained(plan)),
    ]
    if plan.note is not None:
        lines += ["", *_wrapped(f"Note: {plan.note}")]
    return "\n".join(lines)


def explained(plan: Plan) -> str:
    """Explain the columns."""
    root = "sqrt" if plan.alpha == 0.5 else "root"
    passes = (
        "over the records; pass p takes sample p of each, from the first again where a record has "
        "fewer"
    )
    if plan.order == "random":
        passes = "expected, like draws; records come at random, with replacement"
    elif plan.order == "random_datasets":
        passes = f"expected, like draws, {passes}"
    return (
        f"{root}: size^{plan.alpha:g}. draws: samples that the run takes{_samples_each(plan)}. "
        f"loss: {loss_explained(plan)} passes: {passes}. disk: text; "
        f"all pictures of the build take {_bytes(plan.picture_bytes)}."
    )


def _samples_each(plan: Plan) -> str:
    """Say how many samples each record of the build has, each with another template."""
    counts = sorted({row.draws_per_record for row in plan.rows})
    if not counts:
        return ""
    several = f"1 to {counts[-1]}" if counts[-1] > 1 else "1"
    return f"; a record has {several} in this build, each by another template"


def loss_explained(plan: Plan) -> str:
    """Explain the share of the loss and how it is estimated."""
    if plan.logical_batch is not None:
        return (
            "what the member counts in the loss; each logical batch counts the same, whatever the "
            "length of its answers, so it is the share of samples."
        )
    dealt = f", dealt by length over {plan.window} steps" if plan.bucket else ""
    return (
        "what the member's label tokens count in the loss, the mean over those of a step; found by "
        f"dealing samples of the build into steps{dealt}, with 1.3 tokens a word and one for the "
        "end."
    )


def changes_text(before: Plan, now: Plan, changes: Sequence[Change]) -> str:
    """Return the difference of two plans as text for a terminal."""
    lines = [
        *_wrapped(f"Compared with {before.recipe} on {before.build}:"),
        *table_lines(_CHANGE, [_change_row(change, now, before) for change in changes]),
    ]
    if before.mixture_hash == now.mixture_hash:
        lines.append("The two mixtures are the same.")
    return "\n".join(lines)


_CHANGE = (
    TextColumn("member", 20),
    FigureColumn("share was", 9),
    FigureColumn("is", 7),
    FigureColumn("points", 7),
    FigureColumn("loss was", 9),
    FigureColumn("is", 7),
    FigureColumn("passes", 6),
    FigureColumn("now", 6),
)


def _change_row(change: Change, *plans: Plan) -> list[str]:
    old, new = change.before, change.now
    return [
        member_name(change.member, *plans),
        *(_share(old), _share(new), f"{change.points:+.2f}", _loss(old), _loss(new)),
        *("-" if row is None else short(row.passes) for row in (old, new)),
    ]


def member_name(member: str, *plans: Plan) -> str:
    """Return the name of a member: its dataset alone if that has one form only."""
    dataset = member.partition("/")[0]
    forms = {row.form for plan in plans for row in plan.rows if row.dataset == dataset}
    return dataset if len(forms) == 1 else member


def short(number: float) -> str:
    """Format a number in at most six characters, for columns of seven."""
    if number < 99_999.5:
        return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"
    if number >= 1e12:
        return f"{number:.0e}"
    units = ((1e9, "G"), (1e6, "M"), (0, "k"))
    scale, unit = next((max(least, 1e3), unit) for least, unit in units if number >= least)
    value = number / scale
    return (
        f"{value:.0f}{unit}" if value >= 99.95 else f"{value:.{2 if value < 9.995 else 1}f}{unit}"
    )


def _member_lines(plan: Plan) -> Iterator[str]:
    columns = (
        TextColumn("member", 20),
        FigureColumn("records", 8),
        FigureColumn("sqrt" if plan.alpha == 0.5 else "root", 6),
        FigureColumn("factor", 6),
        FigureColumn("share", 6),
        FigureColumn("draws", 7),
        FigureColumn("passes", 6),
        FigureColumn("loss", 5),
        FigureColumn("disk", 6),
    )
    yield from table_lines(columns, [*(_row(row, plan) for row in plan.rows), _total(plan)])


def _row(row: PlanRow, plan: Plan) -> list[str]:
    return [
        member_name(row.member, plan),
        *(_count(row.size), short(row.root), f"{row.factor:.3g}"),
        *(_percent(row.probability, 2, 6), _count(row.expected_draws), short(row.passes)),
        *(_percent(row.loss_share, 1, 5), _bytes(row.disk_bytes)),
    ]


def _percent(share: float, places: int, width: int) -> str:
    """Format a share, with fewer decimal places where it would be wider than its column."""
    texts = (f"{100 * share:.{number}f}%" for number in range(places, -1, -1))
    return next((text for text in texts if len(text) <= width), "100%")


def _shares(plan: Plan) -> str:
    if plan.shares == "uniform":
        return "equal shares for all datasets"
    return f"share ~ size^{plan.alpha:g} * factor"


def _batches(plan: Plan) -> str:
    if plan.logical_batch is None:
        return "mixed batches"
    number = plan.batch // plan.logical_batch
    return f"a step is {number} batches of {plan.logical_batch}, each of one dataset"


def _share(row: PlanRow | None) -> str:
    return "-" if row is None else f"{100 * row.probability:.2f}%"


def _loss(row: PlanRow | None) -> str:
    return "-" if row is None else f"{100 * row.loss_share:.2f}%"


def _sizes(plan: Plan) -> str:
    if plan.size == "build":
        return "as in the build"
    return "official" if plan.size == "official" else f"{plan.size:,} for every member"


def _total(plan: Plan) -> list[str]:
    records = _count(sum(row.size for row in plan.rows))
    drawn = _count(plan.samples)
    return ["all", records, "", "", "100%", drawn, "", "100%", _bytes(plan.disk_bytes)]


def _count(number: float) -> str:
    """Format a count, in full if it fits into seven characters."""
    return f"{number:,.0f}" if number < 999_999.5 else short(number)


def _bytes(size: int) -> str:
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            return f"{size / unit:.{0 if size >= 100 * unit else 1}f}{name}"
    return f"{size / 1000:.0f}kB"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
