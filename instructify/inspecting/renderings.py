"""A record rendered with every template of its task."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from instructify.build import DatasetEntry
from instructify.catalog import Catalog
from instructify.explaining import constants_of
from instructify.inspecting.gather import Shown
from instructify.templating import (
    PARTS,
    Mode,
    RenderFailedError,
    Template,
    TemplateSet,
    fitting,
    misfit,
    render_row,
)


class Side(NamedTuple):
    """A record rendered with one template, or `why_not`, the reason why that is not possible."""

    template: int  # in `Renderings.templates`
    instruction: str
    qformer_instruction: str | None
    response: str | None
    why_not: str | None


@dataclass(kw_only=True, slots=True)
class Renderings:
    """Renders records; `Side.template` is an index into `templates`, all templates used so far."""

    templates_of: TemplateSet
    catalog: Catalog
    templates: list[Template] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, template: Template) -> int:
        """Return the index of a template, which is added if it is new."""
        if template.key not in self._numbers:
            self._numbers[template.key] = len(self.templates)
            self.templates.append(template)
        return self._numbers[template.key]

    def pool(
        self, task: str, modes: Collection[Mode], dataset: str | None = None
    ) -> tuple[Template, ...]:
        """List the templates of the dataset in these modes, or else those of the task."""
        of_modes = [template for template in self.templates_of.templates if template.mode in modes]
        of_dataset = tuple(
            template for template in of_modes if dataset is not None and template.dataset == dataset
        )
        return of_dataset or tuple(template for template in of_modes if template.serves(task))

    def sides(self, shown: Shown, entry: DatasetEntry) -> list[Side]:
        """Render a record with all templates for its form."""
        sample = shown.sample
        constants = {
            **{name: sample[name] for name in ("dataset", "split", "task")},
            **constants_of(self.catalog, entry),
        }
        modes = (entry.splits[sample["split"]].prompts,)
        pool = fitting(self.pool(sample["task"], modes, sample["dataset"]), sample["form"])
        return [self._side(template, shown.record, constants) for template in pool]

    def _side(
        self, template: Template, record: Mapping[str, Any], constants: Mapping[str, str]
    ) -> Side:
        number = self.number(template)
        why_not = misfit(template, record)
        if why_not is not None:
            return Side(number, "", None, None, why_not)
        try:
            rendered = render_row(template, record, constants)
        except RenderFailedError as error:
            return Side(number, "", None, None, f"{error.reason}: {error.detail}")
        texts = (rendered.instruction, rendered.qformer_instruction, rendered.response)
        return Side(number, *texts, None)


def template_values(templates: Sequence[Template]) -> list[dict[str, Any]]:
    """Return templates as plain values: key, hash and source."""
    return [
        {
            "key": template.key,
            "sha256": template.sha256,
            "source": {
                part: text for part in PARTS if (text := getattr(template, part)) is not None
            },
        }
        for template in templates
    ]
