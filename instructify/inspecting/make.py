"""Read everything that a page shows, and write it into one file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructify._util.file_names import real_path
from instructify._util.shards import write_bytes
from instructify._util.wording import counted
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.inspecting.choose import ChosenSplit
from instructify.inspecting.damaged import DAMAGED, damaged_pictures
from instructify.inspecting.document import document
from instructify.inspecting.figures import build_figures, token_figures
from instructify.inspecting.gather import Shown, gather
from instructify.inspecting.order import mixed
from instructify.inspecting.pictures import PagePictures
from instructify.inspecting.raw import Position, raw_root, read_raw
from instructify.inspecting.rejects import Rejects, read_rejects
from instructify.inspecting.renderings import Renderings, template_values
from instructify.inspecting.shares import mixture_shares
from instructify.inspecting.tokens import Reading, Text, TokenReader
from instructify.inspecting.values import (
    detail_value,
    list_value,
    reject_value,
    vocabulary,
)
from instructify.pages import Head, Identity, date_of, find_links
from instructify.templating import TemplateSet
from instructify.twins import is_twin_root


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRequest:
    """The content of a page; without a `reader` it shows no tokens but `why_no_tokens`."""

    build: Build
    chosen: Sequence[ChosenSplit]
    seed: int
    catalog: Catalog
    templates: TemplateSet
    raw: Path | None
    recipe: str
    num_frames: int
    reader: TokenReader | None
    why_no_tokens: str
    out: Path
    tell: Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageMade:
    """The counts and the size of a written page."""

    samples: int
    of: int
    rejects: int
    of_rejects: int
    pictures: int
    size_bytes: int


def make_page(request: PageRequest) -> PageMade:
    """Write the page of a build."""
    build = request.build
    pairs = [(split.dataset, split.split) for split in request.chosen]
    shown = mixed(gather(build, request.chosen))
    rejects = read_rejects(build, pairs)
    request.tell(
        f"{counted(len(shown), 'sample')}, {counted(len(rejects.shown), 'reject')}; raw files"
    )
    raw = _raw(request, shown, rejects)
    request.tell("pictures")
    pictures = PagePictures(build.pictures(), request.num_frames)
    pictures.take(key for item in shown for key in item.sample["pictures"])
    pictures.take_damaged(damaged_pictures(build, request.catalog, request.raw, rejects.shown))
    request.tell("tokens" if request.reader is not None else "no tokens")
    readings = _readings(request, shown, pictures)
    fits = _tokenizer_fits(request)
    listed = [
        list_value(item, pictures, is_cut=None if reading is None or not fits else reading.is_cut)
        for item, reading in zip(shown, readings, strict=True)
    ]
    request.tell("templates, plots")
    renderings = Renderings(templates_of=request.templates, catalog=request.catalog)
    details = list(_details(build, shown, readings, renderings, raw))
    rejected = [reject_value(reject, pictures, raw.number) for reject in rejects.shown]
    facts = {
        **_facts(request, shown),
        "raw_notes": raw.notes,
        "reject_counts": rejects.counts,
        "templates": template_values(renderings.templates),
        "damaged": list(DAMAGED),
        "tokens": _token_facts(request, readings, fits=fits),
        "figures": {
            **_with_undrawn(build_figures(build, pairs), renderings, build),
            **token_figures(_named(shown, readings)),
            "shares": mixture_shares(build, request.catalog, request.recipe),
        },
    }
    rows: dict[str, Sequence[Any]] = {
        "listed": listed,
        "details": details,
        "raw": raw.texts,
        "rejects": rejected,
        "pictures": pictures.entries,
        "images": pictures.images,
    }
    written = write_bytes(request.out, document(_head(request, facts["build"]), facts, rows))
    return PageMade(
        samples=len(shown),
        of=sum(split.total for split in request.chosen),
        rejects=len(rejected),
        of_rejects=sum(count for _, _, count in rejects.counts),
        pictures=len(pictures.images),
        size_bytes=written.size_bytes,
    )


def _details(
    build: Build,
    shown: Sequence[Shown],
    readings: Sequence[Reading | None],
    renderings: Renderings,
    raw: "_RawItems",
) -> Iterator[dict[str, Any]]:
    """Yield the values that the page shows when a sample is opened."""
    for item, reading in zip(shown, readings, strict=True):
        entry = build.dataset(item.sample["dataset"])
        split = build.split(item.sample["dataset"], item.sample["split"])
        sides = renderings.sides(item, entry)
        yield detail_value(item, entry, split, sides, reading, raw.number(_position(item)))


def _head(request: PageRequest, name: str) -> Head:
    identity = Identity(kind="Build", name=name, build=name)
    return Head(
        identity=identity,
        date=date_of(request.build.paths.root / "manifest.json"),
        links=find_links(request.out, identity),
    )


def _tokenizer_fits(request: PageRequest) -> bool:
    """Return whether token counts are meaningful: a tiny tokenizer knows words of twins only."""
    if request.reader is None:
        return False
    if not request.reader.facts.is_own:
        return True
    root = raw_root(request.build, request.raw)
    return root is not None and is_twin_root(root)


class _RawItems:
    """Items of raw files, each once: several samples may come from one item."""

    def __init__(self, texts: Mapping[Position, str], notes: Mapping[str, str]) -> None:
        self.texts = list(texts.values())
        self.notes = notes
        self._numbers = {place: number for number, place in enumerate(texts)}

    def number(self, place: Position) -> int | None:
        return self._numbers.get(place)


def _raw(request: PageRequest, shown: Sequence[Shown], rejects: Rejects) -> _RawItems:
    positions = {_position(item): None for item in shown}
    positions |= {reject.place: None for reject in rejects.shown if reject.place is not None}
    items = read_raw(request.build, request.catalog, request.raw, positions)
    return _RawItems(items.texts, items.notes)


def _position(item: Shown) -> Position:
    sample = item.sample
    return Position(
        sample["dataset"], sample["split"], sample["source"], sample["position"], sample["form"]
    )


def _readings(
    request: PageRequest, shown: Sequence[Shown], pictures: PagePictures
) -> list[Reading | None]:
    """Tokenise samples: as in training where they may be trained on, else as in generation."""
    if request.reader is None:
        return [None] * len(shown)
    roles = {name: entry.role for name, entry in request.build.manifest.datasets.items()}
    return request.reader.read(
        [
            Text(
                sample["instruction"],
                sample["qformer_instruction"],
                sample["response"],
                pictures.num_frames(sample["pictures"]),
                roles[sample["dataset"]] != "held-out" and sample["response"] is not None,
            )
            for sample, _ in shown
        ]
    )


def _named(
    shown: Sequence[Shown], readings: Sequence[Reading | None]
) -> Iterator[tuple[str, Reading]]:
    for item, reading in zip(shown, readings, strict=True):
        if reading is not None:
            yield item.sample["dataset"], reading


def _facts(request: PageRequest, shown: Sequence[Shown]) -> dict[str, Any]:
    root = request.build.paths.root
    return {
        "build": root.name or real_path(root).name,
        "shown": len(shown),
        "of": sum(split.total for split in request.chosen),
        "splits": [
            [split.dataset, split.split, len(split.rows), split.total] for split in request.chosen
        ],
        "seed": request.seed,
        "candidate_sets": request.build.manifest.candidate_sets,
    }


def _token_facts(
    request: PageRequest, readings: Sequence[Reading | None], *, fits: bool
) -> dict[str, Any]:
    reader = request.reader
    if reader is None:
        return {"why_not": request.why_no_tokens}
    facts = reader.facts
    return {
        "name": facts.name,
        "is_own": facts.is_own,
        "fits": fits,
        "queries": facts.queries,
        "frames": facts.frames,
        "is_decoder_only": facts.is_decoder_only,
        "limits": dict(facts.limits),
        "pieces": vocabulary(reader, readings),
    }


def _with_undrawn(figures: dict[str, Any], renderings: Renderings, build: Build) -> dict[str, Any]:
    """Add a count of 0 for the templates that no sample of the build uses."""
    entries = build.manifest.datasets.values()
    modes = {split.prompts for entry in entries for split in entry.splits.values()}
    for task, uses in figures["templates"].items():
        for template in renderings.pool(task, modes):
            uses.setdefault(template.key, 0)
    return figures
