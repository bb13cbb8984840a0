"""`protocols`: how each dataset is evaluated, and the source of each setting."""

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
    """List the protocols and suites, or show all settings of one protocol."""
    catalog = load_catalog(extra=catalog_file)
    folder = protocol_folders(templates)
    check_folder(catalog, folder)
    if name is None and settings:
        raise UserError("--set changes one protocol; name it, as in `instructify protocols gqa`")
    if name is not None:
        protocol = named_protocol(catalog, name, settings, folder=folder, may_lack_words=True)
        output = [protocol.value()] if as_json else list(protocol_lines(protocol))
        print(json.dumps(output[0], indent=1) if as_json else "\n".join(map(str, output)))
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
        print(
            json.dumps(
                {"protocols": [protocol.value() for protocol in every], "suites": value}, indent=1
            )
        )
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
    yield from table_lines(_COLUMNS, [_row(protocol) for protocol in every])
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
    yield "All settings of a protocol: instructify protocols NAME"


def protocol_lines(protocol: Protocol) -> Iterator[str]:
    """Return lines with the settings of a protocol and the source of each setting."""
    yield (
        f"{protocol.name}: {protocol.dataset}/{protocol.split}, form {protocol.form}, "
        f"version {protocol.version}"
    )
    mark = _source_mark(protocol, "score")
    yield f"scored by {protocol.metric}, variant {protocol.variant}{mark}"
    yield ""
    yield f"prompt ({protocol.prompt}){_source_mark(protocol, 'instruction')}"
    yield from (f"    {line}" for line in prompt_text(protocol.value()).split("\n"))
    settings = ", ".join(f"{key} {value}" for key, value in settings_of(protocol.decode).items())
    yield from _wrapped(f"decode: {settings}{_source_mark(protocol, 'decode')}")
    if protocol.candidates is not None:
        rule = protocol.candidates
        labels = "".join(f"; {key}: {', '.join(texts)}" for key, texts in rule.labels.items())
        merge = f"; merged by their {rule.merge}" if labels else ""
        text = f"candidates: {rule.source} as {rule.kind}{labels}{merge}"
        yield from _wrapped(text + _source_mark(protocol, "candidates"))
    for key in ("split", "fields", "difficult", "frames"):
        if key in protocol.sources:
            yield f"{key}{_source_mark(protocol, key)}"
    for departure in () if protocol.instruction is None else departures(protocol.value()):
        yield from _wrapped(f"not as published: {departure}")
    if protocol.note is not None:
        yield ""
        yield from textwrap.wrap(protocol.note, WIDTH)


def _source_mark(protocol: Protocol, key: str) -> str:
    """Return the source of a setting, and of the values below it that have their own source."""
    finer = [
        f"{name.partition('.')[2]}: {source}"
        for name, source in protocol.sources.items()
        if name.startswith(f"{key}.")
    ]
    return f"  [{', '.join([str(protocol.sources.get(key, 'ours')), *finer])}]"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
