"""The steps that need only the build: choices and pictures."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from instructify._util.errors import UserError
from instructify.build import Build, SplitEntry
from instructify.explaining.step import Step


def choices_step(sample: Mapping[str, Any], split: SplitEntry, record: Mapping[str, Any]) -> Step:
    """Return the choices: the draw, the answer among the references, the order of options."""
    facts: dict[str, Any] = {
        "draw": f"{sample['draw']} of {split.draws}",
        "seed": split.seed,
    }
    choice, references = record["answer_choice"], record["references"]
    if choice is not None:
        chosen = references[choice] if references and choice < len(references) else None
        facts["answer_choice"] = f"{choice}: {chosen!r}"
        if chosen != record["answer"]:
            return Step("choices", "differs", "the chosen reference is not the answer", facts)
    facts["option_order"] = sample["option_order"] or "as published"
    return Step("choices", "same", "", facts)


def picture_steps(build: Build, sample: Mapping[str, Any]) -> Iterator[Step]:
    """Yield the facts of each picture in the index, and check the hash of its bytes."""
    store = build.pictures()
    for key in sample["pictures"]:
        facts: dict[str, Any] = {"key": key}
        if store is None or key not in store:
            yield Step("picture", "not checked", "the build has no such picture", facts)
            continue
        recorded = store.facts(key)
        facts |= {name: value for name, value in recorded._asdict().items() if value is not None}
        if recorded.phash is not None:
            facts["phash"] = f"{recorded.phash:016x}"
        try:
            digest = hashlib.sha256(store.bytes(key)).hexdigest()
        except UserError as error:
            yield Step("picture", "not checked", str(error), facts)
            continue
        if digest != recorded.sha256:
            yield Step("picture", "differs", "its bytes differ from the hash in the index", facts)
        else:
            yield Step("picture", "same", "", facts)
