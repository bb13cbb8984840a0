"""`import-templates`: turn a text file of templates into a folder for `--templates`."""

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
_WIDTH = 10_000  # of a line of YAML, so wide that no text is folded


def run_import_templates(
    file: Path, out: Path, *, task: str | None, protocol: str | None, catalog_file: Path | None
) -> None:
    """Write the templates of a task, or the prompt of a protocol."""
    if (task is None) == (protocol is None):
        raise UserError(
            "give either --task, if the file holds templates, or --protocol, if it holds a prompt"
        )
    catalog = load_catalog(extra=catalog_file)
    if protocol is not None:
        _import_protocol(file, out, protocol, catalog)
    elif task is not None:
        _import_task(file, out, task, catalog)


def _text(file: Path) -> str:
    if not file.is_file():
        raise UserError(f"{file} is not a file; give a text file with one template per line")
    if file.stat().st_size > _MOST_BYTES:
        raise UserError(f"{file} is larger than {_MOST_BYTES:,} bytes; give a list of templates")
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def _import_task(file: Path, out: Path, task: str, catalog: Catalog) -> None:
    if task not in catalog.tasks:
        raise UserError(f"there is no task '{task}'; {did_you_mean(task, catalog.tasks)}")
    path = out / f"{task}.yaml"
    if path.exists():
        raise UserError(f"{path} is there already; choose another --out, or remove it")
    generates = task == GENERATION
    templates = read_plain(_text(file), str(file), asks_for_answer=not generates)
    forms = tuple(
        dict.fromkeys(
            form
            for dataset in catalog.datasets.values()
            if dataset.task == task
            for form in dataset.forms
        )
    )
    entries = [_entry(template, task, forms, file) for template in templates]
    copied = _copy_others(out, task)
    num_templates = counted(len(templates), "template")
    header = f"# {num_templates} of {file.name}, by `instructify import-templates`.\n"
    _write(path, header, {"format": 1, "task": task, "templates": entries})
    load_templates(out)
    _say(path, templates, entries, forms)
    if copied:
        print(f"{counted(copied, 'file')} of other tasks copied: {out} has templates for all tasks")


def _entry(
    template: PlainTemplate, task: str, forms: tuple[str, ...], file: Path
) -> dict[str, Any]:
    fitting = template.forms(forms)
    if not fitting:
        raise UserError(
            f"{file}, line {template.line}: no record of {task} has the fields it uses "
            f"(the forms are {', '.join(forms)}); leave it out, or import it for another task"
        )
    entry: dict[str, Any] = {"id": template.id, "version": 1, "forms": list(fitting)}
    if template.brief:
        entry["brief"] = True
    if template.requires:
        entry["requires"] = list(template.requires)
    entry["instruction"] = template.instruction
    entry["response"] = "{{ question }}" if task == GENERATION else "{{ answer }}"
    return entry


def _copy_others(out: Path, task: str) -> int:
    """Copy the built-in files of other tasks, since a folder of templates replaces all of them."""
    out.mkdir(parents=True, exist_ok=True)
    copied = 0
    for ours in sorted(find("templates").glob("*.yaml")):
        if ours.stem != task and not (out / ours.name).exists():
            shutil.copyfile(ours, out / ours.name)
            copied += 1
    return copied


def _say(
    path: Path,
    templates: list[PlainTemplate],
    entries: list[dict[str, Any]],
    forms: tuple[str, ...],
) -> None:
    brief = sum(template.brief for template in templates)
    print(f"{path}: {counted(len(templates), 'template')}, of which {brief} ask for a short answer")
    for form in forms:
        pool = [entry for entry in entries if form in entry["forms"]]
        if not pool:
            print(f"no template fits records of form '{form}', so these become rejects")
        elif all("requires" in entry for entry in pool):
            print(
                f"records of form '{form}' without {', '.join(pool[0]['requires'])} fit no "
                "template; put that part of a line into [brackets]"
            )


def _import_protocol(file: Path, out: Path, name: str, catalog: Catalog) -> None:
    prompts = read_plain(_text(file), str(file))
    if len(prompts) != 1:
        raise UserError(f"{file} holds {len(prompts)} templates, and a protocol has one prompt")
    base = named_protocol(catalog, name, may_lack_words=True, folder=out / "protocols")
    path = out / "protocols" / f"{base.dataset}.yaml"
    content = yaml.safe_load(
        ProtocolFolders(out / "protocols").file(base.dataset).read_text("utf-8")
    )
    (entry,) = [item for item in content["protocols"] if item["id"] == base.id]
    is_published = is_published_prompt(base.dataset, prompts[0].instruction)
    entry["instruction"] = prompts[0].instruction
    if not is_published:
        entry["sources"]["instruction"] = "set"
    header = (
        f"# The built-in protocols with another prompt for '{base.id}', "
        "by `instructify import-templates`.\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, header, content)
    named_protocol(catalog, name, folder=out / "protocols")
    remarks = {
        True: "this is the published prompt",
        False: "this is not the published prompt, and `results` will say so",
        None: "no prompt of this dataset is published",
    }
    print(f"{path}: {base.name}; {remarks[is_published]}")


def _write(path: Path, header: str, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_WIDTH)
    write_bytes(path, (header + text).encode())
