"""`protocols`: how each dataset is evaluated, and where every choice comes from."""

import dataclasses
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.terminal import WIDTH
from instructify._util.text_table import TextColumn, table_lines
from instructify.catalog import load_catalog
from instructify.protocols import (
    Protocol,
    Suite,
    check_folder,
    departures,
    has_protocols,
    load_protocols,
    load_suites,
    named_protocol,
    prompt_text,
    protocol_folders,
    settings_of,
)
from instructify.templating import TemplateFolders


def run_protocols(
    name: str | None,
    settings: Sequence[str],
    *,
    templates: TemplateFolders,
    catalog_file: Path | None,
    as_json: bool,
) -> None:
    """List the protocols and suites, or say everything about one protocol."""
    catalog = load_catalog(extra=catalog_file)
    folder = protocol_folders(templates)
    check_folder(catalog, folder)
    if name is None and settings:
        raise UserError("--set changes one protocol; name it, as `instructify protocols gqa`")
    if name is not None:
        one = named_protocol(catalog, name, settings, folder=folder, may_lack_words=True)
        told = [one.value()] if as_json else list(protocol_lines(one))
        print(json.dumps(told[0], indent=1) if as_json else "\n".join(map(str, told)))
        return
    every = [
        protocol
        for dataset in catalog.datasets
        if has_protocols(catalog, dataset, folder=folder)
        for protocol in load_protocols(catalog, dataset, folder=folder)
    ]
    suites = load_suites(folder)
    if as_json:
        value = {key: dataclasses.asdict(suite) for key, suite in suites.items()}
        print(json.dumps({"protocols": [one.value() for one in every], "suites": value}, indent=1))
        return
    print("\n".join(_list_lines(every, suites)))


_COLUMNS = (
    TextColumn("protocol", 19),
    TextColumn("split", 7, floor=7),
    TextColumn("answers", 8, floor=8),
    TextColumn("from", 10, floor=10),
    TextColumn("metric", 14, floor=14),
    TextColumn("variant", floor=None),
)


def _row(protocol: Protocol) -> list[str]:
    source = "" if protocol.candidates is None else protocol.candidates.source
    answers = protocol.decode.method
    return [protocol.name, protocol.split, answers, source, protocol.metric, protocol.variant]


def _list_lines(every: Sequence[Protocol], suites: dict[str, Suite]) -> Iterator[str]:
    yield from table_lines(_COLUMNS, [_row(one) for one in every])
    yield ""
    for name, suite in suites.items():
        settings = f" ({', '.join(suite.settings)})" if suite.settings else ""
        named = (
            f"{protocol} ({', '.join(suite.settings_for[protocol])})"
            if protocol in suite.settings_for
            else protocol
            for protocol in suite.protocols
        )
        text = f"{name}{settings}: {', '.join(named)}"
        yield from textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    yield ""
    yield "More of one: instructify protocols NAME"


def protocol_lines(one: Protocol) -> Iterator[str]:
    """Lay out a protocol with the source of each setting."""
    yield f"{one.name}: {one.dataset}/{one.split}, form {one.form}, version {one.version}"
    yield f"scored by {one.metric}, variant {one.variant}{_said(one, 'score')}"
    yield ""
    yield f"prompt ({one.prompt}){_said(one, 'instruction')}"
    yield from (f"    {line}" for line in prompt_text(one.value()).split("\n"))
    settings = ", ".join(f"{key} {value}" for key, value in settings_of(one.decode).items())
    yield from _wrapped(f"decode: {settings}{_said(one, 'decode')}")
    if one.candidates is not None:
        rule = one.candidates
        labels = "".join(f"; {key}: {', '.join(texts)}" for key, texts in rule.labels.items())
        merge = f"; merged by their {rule.merge}" if labels else ""
        text = f"candidates: {rule.source} as {rule.kind}{labels}{merge}"
        yield from _wrapped(text + _said(one, "candidates"))
    for key in ("split", "fields", "difficult", "frames"):
        if key in one.sources:
            yield f"{key}{_said(one, key)}"
    for departure in () if one.instruction is None else departures(one.value()):
        yield from _wrapped(f"not as published: {departure}")
    if one.note is not None:
        yield ""
        yield from textwrap.wrap(one.note, WIDTH)


def _said(one: Protocol, key: str) -> str:
    """Name the source of a setting and of what is said apart below it."""
    finer = [
        f"{name.partition('.')[2]}: {source}"
        for name, source in one.sources.items()
        if name.startswith(f"{key}.")
    ]
    return f"  [{', '.join([str(one.sources.get(key, 'ours')), *finer])}]"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
