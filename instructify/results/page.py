"""The page of results: the table, and for each figure its answers and its settings."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instructify.pages import (
    Head,
    Identity,
    find_links,
    interval_scale,
    page_script,
    render_page,
)
from instructify.pages import date_of as file_date
from instructify.protocols import OF_METHOD, departures, prompt_text
from instructify.results.answers import AnsweredItem, choose_items, counted_texts
from instructify.results.comparison import (
    anchor_of,
    chosen_reference,
    comparable_rows,
    figures_apart,
    is_comparable,
)
from instructify.results.pictures import ItemPicture, ItemPictures
from instructify.results.table import Table, is_fine_tuned, training_remarks, why_unscored

_SHOWN_ITEMS = 12
_SEARCHED_ITEMS = 5_000  # of a dataset
_MOST_LETTERS = 600
_SOURCES = {
    "set": "set here",
    "paper": "the paper",
    "author": "an author of the paper",
    "likely": "likely the paper",
    "lavis": "LAVIS",
    "authors": "the dataset's authors",
    "ours": "our choice",
}
_CONTINUOUS = frozenset(["cider", "auc"])  # an item is neither right nor wrong


class Evaluated(NamedTuple):
    """The results of a run, with the answers of each and the folders they are in."""

    results: Sequence[Mapping[str, Any]]
    answers: Sequence[Sequence[AnsweredItem]]
    folders: Sequence[Path] = ()


class ShownAnswer(NamedTuple):
    """An answered question as it is shown; `verdict` is "right", "wrong", "partly" or empty."""

    item: AnsweredItem
    verdict: str
    accepted: Sequence[tuple[str, int]]
    picture: ItemPicture | None


def results_page(
    table: Table, runs: Mapping[str, Evaluated], page: Path, pictures: ItemPictures | None = None
) -> bytes:
    """Return the page of some evaluations.

    Args:
        table: the published rows and ours.
        runs: evaluations by the name of their row.
        page: the file that the page is written to.
        pictures: pictures of the evaluated build, if it is given.
    """
    results = {name: run.results for name, run in runs.items()}
    rows = comparable_rows(table)
    trained = sorted(
        {Path(str(result["model"]["source"])).name for each in results.values() for result in each}
    )
    identity = Identity(kind="Results", name=", ".join(runs), runs=tuple(trained))
    dates = [file_date(folder / "result.json") for run in runs.values() for folder in run.folders]
    head = Head(
        identity=identity,
        date=max((date for date in dates if date is not None), default=None),
        links=find_links(page, identity),
    )
    sections = [
        _section(number, name, run, table, pictures)
        for number, (name, run) in enumerate(runs.items())
    ]
    values = {
        "columns": table.columns,
        "rows": rows,
        "reference": chosen_reference(rows, results),
        "has_ours": any(row.is_ours for row in rows),
        "apart": list(figures_apart(results)),
        "source": table.source,
        "remarks": training_remarks(table.rows),
        "sections": sections,
        "has_several": len(runs) > 1,
        "has_pictures": pictures is not None,
    }
    blocks = [
        (f"answers-{card['anchor']}", card["searched"])
        for section in sections
        for card in section["cards"]
    ]
    has_answers = any(block for _, block in blocks)
    return render_page(
        "results.html",
        head,
        values,
        scripts=[page_script("answers.js")] if has_answers else [],
        blocks=blocks if has_answers else [],
    )


def _section(
    number: int, name: str, run: Evaluated, table: Table, pictures: ItemPictures | None
) -> dict[str, Any]:
    model = run.results[0]["model"]
    return {
        "name": name,
        "model": model,
        "versions": ", ".join(
            f"{key} {version}" for key, version in run.results[0]["versions"].items()
        ),
        "cards": [
            _card(number, result, answers, table, name, pictures)
            for result, answers in zip(run.results, run.answers, strict=True)
        ],
    }


def _card(
    number: int,
    result: Mapping[str, Any],
    answers: Sequence[AnsweredItem],
    table: Table,
    run: str,
    pictures: ItemPictures | None,
) -> dict[str, Any]:
    """Return one result as values: figure, interval, answers, facts and settings."""
    shown = choose_items(answers, _SHOWN_ITEMS)
    pictures_of: Mapping[str, ItemPicture] = {}
    if pictures is not None and shown:
        split = str(result["protocol"]["split"])
        pictures_of = pictures.find(str(result["dataset"]), split, [item.id for item in shown])
    metric = "" if result["score"] is None else str(result["score"]["metric"])
    return {
        "anchor": anchor_of(number, result),
        "name": result["name"],
        "split": result["protocol"]["split"],
        "value": _value(result),
        "is_apart": result["complete"] is False,
        "why": why_unscored(result) if result["score"] is None else "",
        "scale": _scale(result, table, run),
        "facts": list(_facts(result)),
        "prompt": prompt_text(result["protocol"]),
        "settings": list(_settings(result["protocol"])),
        "note": result["protocol"]["note"],
        "answers": [
            ShownAnswer(
                _named(item, pictures_of.get(item.id)),
                verdict(item, metric),
                counted_texts(item.accepted),
                pictures_of.get(item.id),
            )
            for item in shown
        ],
        "total": len(answers),
        "searchable": min(len(answers), _SEARCHED_ITEMS),
        "searched": [_searched(answer, metric) for answer in answers[:_SEARCHED_ITEMS]],
    }


def verdict(item: AnsweredItem, metric: str) -> str:
    """Return whether an answer is right, wrong or partly right; empty for continuous metrics."""
    if item.score is None or metric in _CONTINUOUS:
        return ""
    is_wrong = item.score <= 0 or metric == "mrr"  # not ranked first counts as wrong
    return "right" if item.score >= 1 else "wrong" if is_wrong else "partly"


def _named(item: AnsweredItem, picture: ItemPicture | None) -> AnsweredItem:
    """Fill in the text of a candidate that is known by its index only."""
    texts = () if picture is None else picture.candidates
    if item.candidate is None or item.candidate >= len(texts):
        return item
    _, _, rank = item.answer.partition("; ")
    text = texts[item.candidate]
    return item._replace(answer=f"{text}; {rank}" if rank else text)


def _searched(item: AnsweredItem, metric: str) -> list[Any]:
    accepted = [text for text, _ in counted_texts(item.accepted)]
    score = None if item.score is None else round(item.score, 4)
    texts = (item.question, item.answer, " | ".join(accepted))
    return [item.id, *(text[:_MOST_LETTERS] for text in texts), verdict(item, metric), score]


def _value(result: Mapping[str, Any]) -> str:
    return "" if result["score"] is None else f"{100 * result['score']['value']:.1f}"


def _scale(result: Mapping[str, Any], table: Table, run: str) -> Mapping[str, Any] | None:
    """Place value and interval on a scale from 0 to 100; CIDEr, which may be larger, to 200."""
    score = result["score"]
    if score is None:
        return None
    most = 200.0 if score["metric"] == "cider" else 100.0
    low, high = (100 * bound for bound in score["interval"])
    rows = {row.name: row for row in table.rows}
    published = None
    cell = rows[run].cells.get(str(result["name"])) if run in rows else None
    if cell is not None and is_comparable(cell):
        name = str(result["name"])
        values = [
            row.cells[name].value for row in table.rows if not row.is_ours and name in row.cells
        ]
        published = max(values, default=None)
    value = 100 * score["value"]
    text = f"{value:.1f}, 95 % interval {low:.1f} to {high:.1f}, on a scale from 0 to {most:g}"
    if published is not None:
        text += f"; the best published is {published:.1f}"
    return {"of": interval_scale(value, (low, high), most, published), "text": text}


def _facts(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    score = result["score"]
    if score is not None:
        low, high = (100 * bound for bound in score["interval"])
        others = ", ".join(
            f"{name} {100 * value:.1f}"
            for name, value in result["variants"].items()
            if name != score["variant"]
        )
        more = f"; other variants: {others}" if others else ""
        yield "metric", f"{score['metric']}, {score['variant']}{more}"
        yield "95 % interval", f"{low:.1f} to {high:.1f}"
        subsets = list(score["subsets"].items())
        if 1 < len(subsets) <= 8:
            yield "subsets", ", ".join(f"{key} {100 * value:.1f}" for key, value in subsets)
    skipped = "".join(f", {count:,} {why}" for why, count in result["skipped"].items())
    yield "questions", f"{result['asked']:,} of {result['of_total']:,}{skipped}"
    yield "answers", _decoding(result["protocol"]["decode"])
    if is_fine_tuned(result):
        yield "not zero-shot", "the model was fine-tuned on this dataset"
    for departure in departures(result["protocol"], result["model"].get("language_model")):
        yield "not as published", str(departure)


def _settings(protocol: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, source in protocol["sources"].items():
        value: Any = protocol
        for part in key.split("."):
            value = value.get(part, value) if isinstance(value, Mapping) else value
        shown = protocol["variant"] if key == "score" else value
        yield key, _text(shown), _SOURCES[source]


def _decoding(decode: Mapping[str, Any]) -> str:
    method = decode["method"]
    settings = ", ".join(f"{key} {decode[key]}" for key in OF_METHOD[method])
    return f"{method}: {settings}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        if "method" in value:
            return _decoding(value)
        return ", ".join(f"{key} {item}" for key, item in value.items() if item not in (None, {}))
    return str(value)
