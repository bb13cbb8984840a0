"""`inspect --html`: write the page, and print one line about it."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.wording import counted
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.inspecting import PageMade, PageRequest, TokenReader, choose_samples, make_page
from instructify.templating import TemplateFolders

_NEEDED = ("torch", "transformers")


def run_inspect_page(
    folder: Path,
    name: str | None,
    split: str | None,
    html: Path,
    *,
    number: int | None,
    seed: int,
    model: str | None,
    raw: Path | None,
    recipe: str,
    templates: TemplateFolders,
    catalog_file: Path | None,
    as_json: bool,
) -> None:
    """Write the page of a build, or of a dataset or split of it."""
    from instructify_train.config import DataConfig

    build = Build.open(folder)
    chosen = choose_samples(build, name, split, number, seed)
    if html.is_dir():
        raise UserError(f"--html {html} is a folder; name the file to write.")
    reader, why_not = _reader(model)
    request = PageRequest(
        build=build,
        chosen=chosen,
        seed=seed,
        catalog=load_catalog(extra=catalog_file),
        templates=templates.load(),
        raw=raw,
        recipe=recipe,
        num_frames=DataConfig().frames if reader is None else reader.facts.frames,
        reader=reader,
        why_no_tokens=why_not,
        out=html,
        tell=_tell,
    )
    summary = make_page(request)
    if as_json:
        print(json.dumps({name: getattr(summary, name) for name in PageMade.__slots__}))
        return
    print(
        f"{html}: {summary.samples:,} of {counted(summary.of, 'sample')}, "
        f"{counted(summary.pictures, 'picture')}, "
        f"{summary.rejects:,} of {counted(summary.of_rejects, 'reject')}, "
        f"{summary.size_bytes / 1e6:,.1f} MB"
    )


def _reader(model: str | None) -> tuple[TokenReader | None, str]:
    """Open tokenizers; without torch and transformers, return the reason why there are none."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        why = f"{' and '.join(missing)} not installed; `pip install 'instructify[train]'` adds it"
        if model is not None:
            raise UserError(f"--model needs tokenizers: {why}.")
        return None, why
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from instructify_train.evaluate import DEFAULT_MODEL, XRay

    return XRay.open(model or DEFAULT_MODEL), ""


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        print(f"  {what}", file=sys.stderr)
