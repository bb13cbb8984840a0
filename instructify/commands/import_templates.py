"""`import-templates`: a list of templates in plain text as a folder for `--templates`."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from instructify._util.errors import UserError, did_you_mean
from instructify._util.resources import find
from instructify._util.shards import write_bytes
from instructify._util.wording import counted
from instructify.catalog import Catalog, load_catalog
from instructify.protocols import ProtocolFolders, is_published_prompt, named_protocol
from instructify.templating import GENERATION, PlainTemplate, load_templates, read_plain

_MOST_BYTES = 1_000_000
_WIDTH = 10_000  # of a line of YAML: no text is folded


def run_import_templates(
    file: Path, out: Path, *, task: str | None, protocol: str | None, catalog_file: Path | None
) -> None:
    """Write the templates of a task, or the prompt of a protocol."""
    if (task is None) == (protocol is None):
        raise UserError(
            "say what the file holds: templates of a --task, or the prompt of a --protocol"
        )
    catalog = load_catalog(extra=catalog_file)
    if protocol is not None:
        _import_protocol(file, out, protocol, catalog)
    elif task is not None:
        _import_task(file, out, task, catalog)


def _text(file: Path) -> str:
    if not file.is_file():
        raise UserError(f"{file} is no file; give a text file with one template a line")
    if file.stat().st_size > _MOST_BYTES:
        raise UserError(f"{file} is larger than {_MOST_BYTES:,} bytes; give a list of templates")
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is no UTF-8 text ({error.reason}); save it as UTF-8") from error


def _import_task(file: Path, out: Path, task: str, catalog: Catalog) -> None:
    if task not in catalog.tasks:
        raise UserError(f"there is no task '{task}'; {did_you_mean(task, catalog.tasks)}")
    path = out / f"{task}.yaml"
    if path.exists():
        raise UserError(f"{path} is there already; choose another --out, or remove it")
    generates = task == GENERATION
    found = read_plain(_text(file), str(file), asks_for_answer=not generates)
    forms = tuple(
        dict.fromkeys(
            form
            for dataset in catalog.datasets.values()
            if dataset.task == task
            for form in dataset.forms
        )
    )
    entries = [_entry(one, task, forms, file) for one in found]
    copied = _copy_others(out, task)
    header = (
        f"# {counted(len(found), 'template')} of {file.name}, by `instructify import-templates`.\n"
    )
    _write(path, header, {"format": 1, "task": task, "templates": entries})
    load_templates(out)
    _say(path, found, entries, forms)
    if copied:
        print(f"{counted(copied, 'file')} of other tasks: ours, so that {out} is whole")


def _entry(one: PlainTemplate, task: str, forms: tuple[str, ...], file: Path) -> dict[str, Any]:
    fitting = one.forms(forms)
    if not fitting:
        raise UserError(
            f"{file}, line {one.line}: no record of {task} has what it asks for (its forms are "
            f"{', '.join(forms)}); leave it out, or import it for another task"
        )
    entry: dict[str, Any] = {"id": one.id, "version": 1, "forms": list(fitting)}
    if one.brief:
        entry["brief"] = True
    if one.requires:
        entry["requires"] = list(one.requires)
    entry["instruction"] = one.instruction
    entry["response"] = "{{ question }}" if task == GENERATION else "{{ answer }}"
    return entry


def _copy_others(out: Path, task: str) -> int:
    """Put our files of the other tasks beside, since a folder of templates is taken as a whole."""
    out.mkdir(parents=True, exist_ok=True)
    copied = 0
    for ours in sorted(find("templates").glob("*.yaml")):
        if ours.stem != task and not (out / ours.name).exists():
            shutil.copyfile(ours, out / ours.name)
            copied += 1
    return copied


def _say(
    path: Path, found: list[PlainTemplate], entries: list[dict[str, Any]], forms: tuple[str, ...]
) -> None:
    brief = sum(one.brief for one in found)
    print(f"{path}: {counted(len(found), 'template')}, of these asking for brevity: {brief}")
    for form in forms:
        pool = [entry for entry in entries if form in entry["forms"]]
        if not pool:
            print(f"no template fits records of form '{form}', which would be rejects")
        elif all("requires" in entry for entry in pool):
            print(
                f"records of form '{form}' without {', '.join(pool[0]['requires'])} fit none; put "
                "that part of a line into [brackets]"
            )


def _import_protocol(file: Path, out: Path, name: str, catalog: Catalog) -> None:
    found = read_plain(_text(file), str(file))
    if len(found) != 1:
        raise UserError(f"{file} holds {len(found)} templates, and a protocol has one prompt")
    known = named_protocol(catalog, name, may_lack_words=True, folder=out / "protocols")
    path = out / "protocols" / f"{known.dataset}.yaml"
    content = yaml.safe_load(
        ProtocolFolders(out / "protocols").file(known.dataset).read_text("utf-8")
    )
    (entry,) = [one for one in content["protocols"] if one["id"] == known.id]
    is_published = is_published_prompt(known.dataset, found[0].instruction)
    entry["instruction"] = found[0].instruction
    if not is_published:
        entry["sources"]["instruction"] = "set"
    header = f"# As ours but for the prompt of '{known.id}', by `instructify import-templates`.\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, header, content)
    named_protocol(catalog, name, folder=out / "protocols")
    said = {
        True: "this is the published prompt",
        False: "this is not the published prompt, and `results` will say so",
        None: "no prompt of this dataset is published",
    }
    print(f"{path}: {known.name}; {said[is_published]}")


def _write(path: Path, header: str, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_WIDTH)
    write_bytes(path, (header + text).encode())
