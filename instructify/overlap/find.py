"""Search one build, or one build against a second, for pictures and texts that parts share."""

from dataclasses import dataclass
from pathlib import Path

from instructify._util.shards import hash_file
from instructify.build import Build, Progress, Workers
from instructify.catalog import Catalog
from instructify.overlap.gaps import not_compared
from instructify.overlap.likeness import Scope, find_alike
from instructify.overlap.masks import has_part
from instructify.overlap.parts import parts_of
from instructify.overlap.pictures import NO_ALIASES, PictureRows, read_aliases, read_pictures
from instructify.overlap.result import (
    METHOD,
    OVERLAP_FORMAT,
    Overlap,
    PartFacts,
    SharedTextCounts,
    SharedTexts,
    overlap_key,
)
from instructify.overlap.shared import shared_pictures
from instructify.overlap.texts import SharedTexts as FoundTexts
from instructify.overlap.texts import TextOverlap, find_shared_texts


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is to be compared, and how."""

    build: Build
    catalog: Catalog
    against: Build | None = None
    vg: Path | None = None  # Visual Genome's image_data.json
    scope: Scope = "trained"
    texts: bool = True


def find_overlap(
    question: Question, pool: Workers, progress: Progress, results: Path | None = None
) -> Overlap:
    """Compare all parts with each other; with two builds, compare only across them.

    `results` is a folder where other processes left results of units, or need them.
    """
    builds = [question.build] + ([] if question.against is None else [question.against])
    parts = [part for number, build in enumerate(builds) for part in parts_of(build, number)]
    aliases = NO_ALIASES if question.vg is None else read_aliases(question.vg)
    pictures = read_pictures(builds, parts, aliases)
    likeness = find_alike(pictures, question.scope, pool, progress, results)
    texts = find_shared_texts(pictures) if question.texts else None
    return Overlap(
        format=OVERLAP_FORMAT,
        method=METHOD,
        build_key=overlap_key(question.build.manifest),
        against_key=None if question.against is None else overlap_key(question.against.manifest),
        vg_sha256=None if question.vg is None else hash_file(question.vg),
        scope=question.scope,
        parts=[_part_facts(pictures, number) for number in range(len(parts))],
        pictures=shared_pictures(pictures, likeness, question.scope),
        texts=None if texts is None else [_text_counts(text) for text in texts],
        candidates=likeness.candidates,
        not_compared=list(
            not_compared(
                pictures,
                likeness,
                question.catalog,
                scope=question.scope,
                has_aliases=question.vg is not None,
            )
        ),
    )


def _part_facts(pictures: PictureRows, number: int) -> PartFacts:
    part = pictures.parts[number]
    in_part = has_part(pictures.holders, number)
    return PartFacts(
        build=part.build,
        dataset=part.dataset,
        split=part.split,
        role=part.role,
        is_trained=part.is_trained,
        is_evaluated=part.is_evaluated,
        records=len(pictures.read[number].per_record),
        pictures=int(in_part.sum()),
        indexed=int((in_part & pictures.facts.known).sum()),
        hashed=int((in_part & pictures.facts.hashed).sum()),
    )


def _text_counts(texts: TextOverlap) -> SharedTexts:
    return SharedTexts(
        left=texts.trained,
        right=texts.evaluated,
        questions=_counts(texts.questions),
        same_picture=texts.same_picture,
        answers=_counts(texts.answers),
    )


def _counts(texts: FoundTexts) -> SharedTextCounts:
    return SharedTextCounts(records=texts.records, common=texts.common, examples=texts.examples)
