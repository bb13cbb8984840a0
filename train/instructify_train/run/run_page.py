"""The page of a run: curves of loss, validation and scores, and the samples by dataset."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from instructify._util.shards import write_bytes
from instructify.pages import (
    Chart,
    Head,
    Identity,
    Series,
    date_of,
    find_links,
    make_chart,
    render_page,
)
from instructify_train.checkpoint import Best, RunState, folder_of, read_state, steps_of
from instructify_train.run.journal import LOG, read_log
from instructify_train.run.tally import Tallied, shares
from instructify_train.run_folder import read_run

PAGE = "report.html"


class OverTime(NamedTuple):
    """A value of each dataset over the run: the mean, a chart for each dataset, and a table."""

    title: str
    about: str
    best: str  # the name of the best value of a column
    mean: Chart
    panels: tuple[Chart, ...]
    rows: tuple[tuple[str, float, float, float], ...]


class Share(NamedTuple):
    """A dataset or template, and its shares of samples, label tokens and loss."""

    of: Tallied
    samples: float
    labels: float
    widest: float  # the largest share of samples or loss among all rows


def write_page(run: Path) -> None:
    """Write the page of a run from its log and its last checkpoint."""
    steps = steps_of(run)
    state = read_state(folder_of(run, steps[-1])) if steps else None
    facts = read_run(run)
    name = run.name or run.resolve().name
    build = Path(str(facts.get("build", ""))).name
    identity = Identity(kind="Run", name=name, build=build, runs=(name,))
    head = Head(
        identity=identity,
        date=date_of(run / LOG),
        about=f"on build {build}" if build else "",
        links=find_links(run / PAGE, identity),
    )
    write_bytes(run / PAGE, run_page(head, facts, read_log(run), state))


def run_page(
    head: Head,
    facts: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
    state: RunState | None,
) -> bytes:
    """Render the page."""
    over_time = (
        _over_time(log, "validation", "Loss on held-in validation", "loss", "lowest"),
        _over_time(log, "scores", "Scores on held-in protocols", "score", "highest"),
    )
    values = {
        "sentence": _sentence(facts),
        "figures": list(_figures(facts, log, state)),
        "charts": _training(log),
        "over_time": [chart for chart in over_time if chart is not None],
        "members": [] if state is None else _shares(state, "member"),
        "templates": [] if state is None else _shares(state, "template"),
    }
    return render_page("run.html", head, values)


def _sentence(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['model']}: {facts['parameters']:,} parameters, {facts['trained']:,} trained; "
        f"global batch {facts['batch']}, {facts['precision']} on {facts['device']}, "
        f"{facts['processes']} process{'es' if facts['processes'] > 1 else ''}."
    )


def _figures(
    facts: Mapping[str, Any], log: Sequence[Mapping[str, Any]], state: RunState | None
) -> Iterator[tuple[str, str]]:
    lines = [line for line in log if "last_loss" in line]
    checks = [line for line in log if "validation_mean" in line]
    done = lines[-1]["step"] if lines else 0
    yield "steps", f"{done:,} of {facts['steps']:,}"
    if lines:
        yield "loss of the last step", f"{lines[-1]['last_loss']:.4f}"
        rates = sorted(line["samples_per_s"] for line in lines)
        waits = sorted(line["data_wait"] for line in lines)
        yield "samples/s", f"{rates[len(rates) // 2]:,.0f}"
        yield "wait for data", f"{100 * waits[len(waits) // 2]:.1f} %"
        yield "memory", f"{max(line['memory_gb'] for line in lines):.1f} GB"
    if checks:
        yield "validation loss", f"{checks[-1]['validation_mean']:.3f}"
    if state is not None and state.best is not None:
        yield best_figure(state.best)


def best_figure(best: Best) -> tuple[str, str]:
    """Describe the best checkpoint: the criterion, its value, and its step."""
    if best.score is not None:
        return "best mean score", f"{100 * best.score:.1f} at step {best.step:,}"
    return "best validation loss", f"{best.loss:.3f} at step {best.step:,}"


def _training(log: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Draw the loss of the mixture, smoothed and as logged, and the learning rate."""
    lines = [line for line in log if "last_loss" in line]
    if not lines:
        return []
    points = [(float(line["step"]), float(line["loss"])) for line in lines]
    mean, width = smoothed(points)
    loss = make_chart(
        "Loss on the mixture",
        [Series("a log line", points, "faint loss"), Series("mean", mean, "loss")],
        y_name="loss",
        about=f"mean over {width} log lines, and each of them" if width > 1 else "each log line",
        clips=True,
    )
    rates = [(float(line["step"]), float(line["lr"])) for line in lines if "lr" in line]
    if not rates:
        return [loss]
    rate = make_chart("Learning rate", [Series("rate", rates)], y_name="learning rate")
    return [loss, rate]


def _over_time(
    log: Sequence[Mapping[str, Any]],
    key: str,
    title: str,
    y_name: str,
    best: Literal["lowest", "highest"],
) -> OverTime | None:
    """Draw a value of each dataset over the run, with its first, best and last value."""
    lines = [line for line in log if line.get(key)]
    if not lines:
        return None
    names = sorted({name for line in lines for name in line[key]})
    style = "loss" if y_name == "loss" else ""
    series = [
        Series(
            name,
            [(float(line["step"]), float(line[key][name])) for line in lines if name in line[key]],
            style,
        )
        for name in names
    ]
    means = [
        (float(line["step"]), sum(line[key].values()) / len(line[key]))
        for line in lines
        if line[key]
    ]
    choose = min if best == "lowest" else max
    values = [(curve.name, [value for _, value in curve.points]) for curve in series]
    return OverTime(
        title=title,
        about="the mean of the datasets, and each of them",
        best=best,
        mean=make_chart(
            f"Mean {y_name} of {len(names)}" if len(names) > 1 else names[0],
            [
                *(curve._replace(style=f"faint {style}") for curve in series),
                Series("mean", means, style),
            ],
            y_name=y_name,
            best=best,
            clips=y_name == "loss",
        ),
        panels=tuple(
            make_chart(curve.name, [curve], y_name=y_name, best=best, clips=y_name == "loss")
            for curve in series
            if len(names) > 1
        ),
        rows=tuple((name, each[0], choose(each), each[-1]) for name, each in values),
    )


def _shares(state: RunState, kind: str) -> list[Share]:
    rows = shares(state.tally.get(kind, {}))
    samples = max(sum(row.samples for row in rows), 1)
    labels = max(sum(row.labels for row in rows), 1)
    widest = max((max(row.samples / samples, row.loss_share) for row in rows), default=1.0) or 1.0
    return [
        Share(row, row.samples / samples, row.labels / labels, widest)
        for row in sorted(rows, key=lambda row: (-row.samples, row.name))
    ]


def smoothed(points: Sequence[tuple[float, float]]) -> tuple[list[tuple[float, float]], int]:
    """Average each point over a tenth of the run; returns the means and the number of lines.

    The number of lines is odd and at most 51. Near the ends it is as large as both sides allow.
    """
    half = min(25, len(points) // 20)
    means = []
    for at, (step, _) in enumerate(points):
        reach = min(half, at, len(points) - 1 - at)
        near = [loss for _, loss in points[at - reach : at + reach + 1]]
        means.append((step, sum(near) / len(near)))
    return means, 2 * half + 1
