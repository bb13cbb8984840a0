"""Own data converted in this process."""

from pathlib import Path
from typing import Any

from instructify._util.resources import find
from instructify._util.shards import read_arrow
from instructify.build import Build, ConvertRequest, Progress, RawRoots, SplitState, convert
from instructify.catalog import load_catalog
from instructify.templating import load_templates


def request_of(
    catalog_file: Path,
    raw: Path,
    out: Path,
    *names: str,
    images: tuple[Path, ...] = (),
    **more: Any,
) -> ConvertRequest:
    """Ask for datasets of an own catalog, one draw each."""
    catalog = load_catalog(extra=catalog_file)
    options = {"draws": 1, "catalog_file": catalog_file, **more}
    return ConvertRequest(
        catalog=catalog,
        catalog_sha256="0" * 64,
        datasets=tuple(catalog.dataset(name) for name in names),
        roots=RawRoots(raw=raw, images=images),
        out=out,
        templates=load_templates(find("templates"), "instruction"),
        templates_folder="built-in",
        **options,
    )


def convert_own(request: ConvertRequest) -> list[SplitState]:
    """Convert."""
    return convert(request, Progress.for_terminal())


def records(build: Build, name: str, split: str) -> list[dict[str, Any]]:
    """Read the records of a split."""
    shards = build.dataset(name).splits[split].record_shards
    return [row for shard in shards for row in read_arrow(build.path(shard)).to_pylist()]
