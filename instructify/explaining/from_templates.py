"""The steps that need the templates: the template, and the sample rendered again."""

from collections.abc import Mapping
from typing import Any

from instructify.build import Build, DatasetEntry, SplitEntry, content_key
from instructify.catalog import Catalog
from instructify.explaining.rendering import RecordPlace, render_row, render_text, split_spec
from instructify.explaining.step import Step, first_difference
from instructify.templating import PARTS, Template, TemplateSet, template_options


def template_step(
    templates: TemplateSet, sample: Mapping[str, Any], entry: DatasetEntry, split: SplitEntry
) -> Step:
    """Look up the template, and check that its text is the same as at the conversion."""
    facts: dict[str, Any] = {
        "template": sample["template"],
        "sha256": sample["template_sha256"],
        "folder": split.templates_folder,
    }
    pool = templates.for_task(entry.task, split.prompts, dataset=sample["dataset"])
    template = _template(pool, sample)
    if template is None:
        detail = f"{templates.folder} has no such template any more{_other(templates, split)}"
        return Step("template", "differs", detail, facts)
    facts |= {part: getattr(template, part) for part in PARTS if getattr(template, part)}
    if template.sha256 != sample["template_sha256"]:
        detail = f"its text is another one now{_other(templates, split)}"
        return Step("template", "differs", detail, facts)
    return Step("template", "same", "", facts)


def _other(templates: TemplateSet, split: SplitEntry) -> str:
    """Return the options for the templates of the build, if others are given."""
    if templates.label == split.templates_folder:
        return ""
    return f"; the build was rendered with {template_options(split.templates_folder)}"


def _template(pool: tuple[Template, ...], sample: Mapping[str, Any]) -> Template | None:
    return next((template for template in pool if template.key == sample["template"]), None)


def sample_step(
    build: Build,
    catalog: Catalog,
    templates: TemplateSet,
    sample: Mapping[str, Any],
    entry: DatasetEntry,
    split: SplitEntry,
    place: RecordPlace,
) -> Step:
    """Render the record again and compare every field of the sample."""
    pool = templates.for_task(entry.task, split.prompts, dataset=sample["dataset"])
    if _is_same(pool, split):
        spec = split_spec(catalog, sample, entry, split, pool)
        again = render_row(build, spec, place, sample["sample_id"])
        if again is None:
            return Step("sample", "differs", "the record gives no such sample any more", {})
        return _compared(sample, again, {"made by": "choice of the template and rendering"})
    template = _template(pool, sample)
    facts = {"made by": "rendering alone: the task has other templates now, so the choice differs"}
    if template is None:
        return Step("sample", "differs", f"{sample['template']} is gone", facts)
    again = render_text(build, catalog, sample, entry, place, template)
    return _compared(sample, again, facts)


def _compared(
    sample: Mapping[str, Any], again: Mapping[str, Any], facts: Mapping[str, Any]
) -> Step:
    for field in sorted(again, key=lambda name: name not in PARTS):
        if again[field] != sample[field]:
            detail = f"{field}, {first_difference(sample[field], again[field])}"
            return Step("sample", "differs", detail, facts)
    return Step("sample", "same", "", {**facts, "fields": len(again)})


def _is_same(pool: tuple[Template, ...], split: SplitEntry) -> bool:
    return (
        content_key("templates", [template.sha256 for template in pool]) == split.templates_sha256
    )
