"""`export`: write a build in the format of another trainer, and print a table of the content."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from instructify._util.errors import UserError
from instructify._util.terminal import paragraph
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify.build import (
    Build,
    EngineOptions,
    PartDone,
    Progress,
    open_noted,
    open_workers,
)
from instructify.commands.convert import report_part
from instructify.exporting import (
    NOTES,
    Export,
    ExportOptions,
    PictureFolders,
    Receipt,
    Selection,
    build_hash,
    check_replaceable,
    clear_pieces,
    pieces_beside,
    run_export,
    run_part,
    select,
    standing_of,
)

_REASONS = {
    "no-response": "without a response, to be scored or inferred only",
    "later-draw": "later draws of a record (--draws first)",
    "over-limit": "over --limit",
}
_REST = "without --part the same command writes the export"
_NEXT = {
    "llava": "--data_path {out}/{file} --image_folder {out}",
    "chat": "docs/export.md has the lines for TRL, LLaMA-Factory and ms-swift",
    "webdataset": "webdataset.WebDataset('{out}/NAME/train-{{000000..N}}.tar')",
    "parquet": "load_dataset('parquet', data_files='{out}/NAME/train-*.parquet')",
    "hub": "load_dataset('{out}', NAME)",
}


def run_export_command(
    folder: Path,
    out: Path,
    options: ExportOptions,
    folders: PictureFolders,
    *,
    overwrite: bool,
    push: str | None,
    public: bool,
    engine: EngineOptions,
    as_json: bool,
) -> None:
    """Write an export unless it exists already; push it with `push`; print the report."""
    _check(options, push, public)
    build = Build.open(folder)
    start = time.monotonic()
    try:
        receipt, state = exported(build, out, options, folders, overwrite=overwrite, engine=engine)
    except PartDone as part:
        if push is not None:
            print("--push has no effect with --part: a part uploads nothing", file=sys.stderr)
        report_part(part, time.monotonic() - start, as_json=as_json, rest=_REST)
        return
    address = None if push is None else _pushed(out, push, public)
    if as_json:
        value = {"state": state, "out": str(out), "pushed": address}
        print(json.dumps({**value, **msgspec.to_builtins(receipt)}, indent=1, ensure_ascii=False))
    else:
        print(_report(receipt, out, state))
        if address is not None:
            print(f"pushed to {address}")


def exported(
    build: Build,
    out: Path,
    options: ExportOptions,
    folders: PictureFolders,
    *,
    overwrite: bool,
    engine: EngineOptions,
) -> tuple[Receipt, str]:
    """Write an export unless it exists; returns its receipt and "written" or "unchanged".

    Raises:
        PartDone: the engine is one part of many, and has done its share.
    """
    selection = select(build, options)
    former = standing_of(out, build.paths.root).receipt
    build_sha256 = build_hash(build.manifest)
    if former is not None and not overwrite and former.same_work(build_sha256, options):
        if engine.part is None:
            clear_pieces(out)  # a command that was killed after its last rename left them
        return former, "unchanged"
    if former is not None:
        _check_overwrite(out, former, overwrite=overwrite)
    return _made(build, selection, options, folders, out, engine), "written"


def _check(options: ExportOptions, push: str | None, public: bool) -> None:
    if push is None and public:
        raise UserError("--public has no effect without --push; give --push REPOSITORY too.")
    if push is not None:
        if options.shape != "hub":
            raise UserError(
                "--push needs --to hub: only that export has a card and a check of licences."
            )
        from instructify.exporting import check_repository

        check_repository(push)


def _check_overwrite(out: Path, former: Receipt, *, overwrite: bool) -> None:
    if not overwrite:
        raise UserError(
            f"{out} holds another export already; give --overwrite to replace it, or "
            "choose another --out."
        )
    check_replaceable(out, former)


def _made(
    build: Build,
    selection: Selection,
    options: ExportOptions,
    folders: PictureFolders,
    out: Path,
    engine: EngineOptions,
) -> Receipt:
    """Write an export: in this process, or in pieces where there are other processes or parts."""
    progress = Progress.for_terminal()
    with ExitStack() as stack:
        bar = stack.enter_context(progress.stage("exporting", selection.num_samples, "samples"))
        export = Export(
            build=build,
            selection=selection,
            options=options,
            folders=folders,
            out=out,
            advance=bar.advance,
        )
        pieces = pieces_beside(out)
        if engine == EngineOptions() and not pieces.is_dir():
            return run_export(export)
        workers = stack.enter_context(open_workers(engine))
        if engine.part is not None:
            notes = pieces / NOTES
            run_part(export, stack.enter_context(open_noted(engine.part, pieces, notes, workers)))
        return run_export(export, workers)


def _pushed(out: Path, repository: str, public: bool) -> str:
    from huggingface_hub import HfApi

    from instructify.exporting import push_folder

    print(f"uploading {out} to {repository}", file=sys.stderr)
    return push_folder(out, repository, public=public, api=HfApi())


_COLUMNS = (
    TextColumn("dataset", 17),
    TextColumn("split", 13, floor=13),
    FigureColumn("samples", 11),
    FigureColumn("written", 11),
    FigureColumn("pictured", 11),
)


def _report(receipt: Receipt, out: Path, state: str) -> str:
    rows = [
        [name, split, f"{of.samples:,}", f"{of.written:,}", f"{of.with_pictures:,}"]
        for name, splits in receipt.datasets.items()
        for split, of in splits.items()
    ]
    lines = list(table_lines(_COLUMNS, rows))
    lines += _departures(receipt)
    size = sum(receipt.files.values())
    pictures = receipt.pictures
    if pictures.mode == "files":
        size += pictures.size_bytes
        lines.append(f"pictures: {pictures.written:,} files, each content once")
    elif pictures.mode == "embedded":
        lines.append(f"pictures: {pictures.written:,} in the samples")
    else:
        lines.append("pictures: none (--no-pictures)")
    lines.append(f"{out}: {size / 1e6:,.1f} MB, {state}")
    use = _NEXT[str(receipt.options["shape"])].format(out=out, file=_file_to_train_on(receipt))
    lines.append(f"next: {use}")
    return "\n".join(lines)


def _departures(receipt: Receipt) -> Iterator[str]:
    """List what was left out, which fields the format can't hold, and which texts changed."""
    splits = [of for dataset in receipt.datasets.values() for of in dataset.values()]
    reasons = sum((Counter(of.left_out) for of in splits), Counter())
    for reason, number in sorted(reasons.items()):
        yield f"left out: {number:,} {_REASONS[reason]}"
    for name, licence in receipt.unlicensed.items():
        yield paragraph(f"left out: {name}, for its licence: {licence}", "", "  ")
    lost = sum((Counter(of.not_carried) for of in splits), Counter())
    if lost:
        fields = ", ".join(f"{name} ({number:,})" for name, number in sorted(lost.items()))
        what = f"not in {receipt.options['shape']}, with the number of samples: {fields}"
        yield paragraph(what, "", "  ", cut=False)
    broken = sum(of.slot_words_broken for of in splits)
    if broken:
        yield f"changed: {broken:,} texts held a picture word such as <image>: < image>"


def _file_to_train_on(receipt: Receipt) -> str:
    """Return the first file of a training split, or of any split if there is no training split."""
    written = [(name, of) for dataset in receipt.datasets.values() for name, of in dataset.items()]
    written.sort(key=lambda split: split[0] != "train")
    return next((file for _, of in written for file in of.files), "")
