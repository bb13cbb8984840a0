"""The folders that a command takes templates from: a base folder, built in or the user's, and more.

`--templates DIR` uses DIR instead of the built-in folder, `--add-templates DIR` adds DIR to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify.templating.load import load_templates
from instructify.templating.model import Mode, Template, TemplateSet

BUILT_IN = "built-in"
_JOINED = " + "


@dataclass(frozen=True, slots=True)
class TemplateFolders:
    """A base folder, its name in a manifest, and the folders added to it."""

    base: Path
    name: str = BUILT_IN
    added: tuple[Path, ...] = ()

    @classmethod
    def of(cls, templates: Path | None = None, added: Sequence[Path] = ()) -> "TemplateFolders":
        """Return the folders for the options of a command; `templates` None or "built-in": the
        built-in ones.

        UserError for a folder that does not exist, since a mistyped name would have no effect.
        """
        for folder in (*(() if _is_ours(templates) else (templates,)), *added):
            if folder is not None and not folder.is_dir():
                raise UserError(
                    f"{folder} is no folder of templates; give a folder with <task>.yaml, "
                    "<dataset>.yaml or protocols/ (docs/templates.md)"
                )
        if templates is None or _is_ours(templates):
            return cls(find("templates"), BUILT_IN, tuple(added))
        return cls(templates, templates.absolute().name, tuple(added))

    @property
    def label(self) -> str:
        """The name of all of them in a manifest, as in `built-in + mine`."""
        return _JOINED.join([self.name, *(folder.absolute().name for folder in self.added)])

    @property
    def all(self) -> tuple[Path, ...]:
        """The base folder, then the added ones."""
        return (self.base, *self.added)

    def load(self, mode: Mode = "instruction") -> TemplateSet:
        """Read all folders as one set; UserError where two templates of one name differ."""
        templates = list(load_templates(self.base, mode).templates)
        where = {_name(template): (template, self.base) for template in templates}
        for folder in self.added:
            for added in _added(folder, mode):
                known, at = where.setdefault(_name(added), (added, folder))
                if known is added:
                    templates.append(added)
                elif known.sha256 != added.sha256:
                    raise UserError(conflict(added, at, folder))
        folders = " and ".join(str(folder) for folder in self.all)
        return TemplateSet(folder=folders, templates=tuple(templates), mode=mode, label=self.label)


def template_options(label: str) -> str:
    """Return the options that give the templates which a manifest calls `label`."""
    base, *added = label.split(_JOINED)
    options = [] if base == BUILT_IN and added else [f"--templates {base}"]
    return " ".join([*options, *(f"--add-templates {name}" for name in added)])


def conflict(template: Template, first: Path, second: Path) -> str:
    """Return the message for two folders with different templates under one name."""
    return (
        f"{first} and {second} both have a template {_name(template)}, with other texts; give the "
        "one that you add another id, or take its folder by --templates, which is instead of ours"
    )


def unknown_pools(templates: TemplateSet, datasets: Iterable[str]) -> list[str]:
    """Return the datasets with templates of their own that no catalog contains."""
    pools = {template.dataset for template in templates.templates if template.dataset is not None}
    return sorted(pools - set(datasets))


def _added(folder: Path, mode: Mode) -> Sequence[Template]:
    """Read an added folder; a folder with protocols alone has no templates."""
    if (folder / "protocols").is_dir() and not any(folder.glob("*.yaml")):
        return ()
    return load_templates(folder, mode).templates


def _name(template: Template) -> str:
    return f"{template.task}/{template.id}"


def _is_ours(templates: Path | None) -> bool:
    return templates is not None and str(templates) == BUILT_IN
