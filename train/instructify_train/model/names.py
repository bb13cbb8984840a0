"""Resolve the name of a model: a preset, a folder, or a name on the hub.

A name that is a path is never requested from the hub, where anybody may publish. Paths are made
absolute when a run starts. A run also stores each path relative to its own folder, so that it
finds its model after both were moved together.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from instructify._util.errors import UserError, did_you_mean
from instructify_train.config import Blip2Config, ModelConfig
from instructify_train.model.hub import is_cached
from instructify_train.tiny import PRESETS

HUB_EXAMPLE = "Salesforce/instructblip-vicuna-7b"
Kind = Literal["preset", "folder", "hub"]
Sources = Mapping[str, Mapping[str, str]]  # setting => where a run found its model
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


def kind_of(name: str, *, may_be_preset: bool = True) -> Kind:
    """Return the kind of a name.

    Raises:
        UserError: The name is of no kind, or the folder does not exist or holds no model.
    """
    if may_be_preset and name in PRESETS:
        return "preset"
    if is_path(name):
        if not Path(name).expanduser().is_dir():
            raise UserError(f"the folder {name} is not there; give the folder of a model")
        if not (Path(name).expanduser() / "config.json").is_file():
            raise UserError(
                f"{name} holds no model (config.json is missing); give a folder written by "
                "save_pretrained, `instructify merge` or `instructify teach-towers`"
            )
        return "folder"
    if _HUB_NAME.fullmatch(name):
        return "hub"
    if not may_be_preset:
        raise UserError(
            f"there is no model '{name}': no folder has that name, a preset can't stand here, and "
            f"a hub name looks like {HUB_EXAMPLE}; give a folder or a hub name"
        )
    raise UserError(
        f"there is no model '{name}': no preset and no folder (a run or a model) has that "
        f"name, and a hub name looks like {HUB_EXAMPLE}; {did_you_mean(name, PRESETS)}"
    )


def is_path(name: str) -> bool:
    """Whether a name is a path and not a hub name of the form `owner/name`.

    `models/towers` is a path where there is a folder `models`, whether it holds `towers` or not.
    """
    if name.startswith((".", "/", "~")) or Path(name).exists():
        return True
    first, slash, _ = name.partition("/")
    return bool(slash) and (Path(first).is_dir() or not _HUB_NAME.fullmatch(name))


def absolute_names(config: ModelConfig) -> ModelConfig:
    """Make the model paths of a recipe absolute, so that it can be used from any folder."""

    def absolute(_: str, name: str) -> str:
        if name in PRESETS or not is_path(name):
            return name
        return os.path.abspath(os.path.expanduser(name))

    return _mapped(config, absolute)


def noted_sources(config: ModelConfig, run: Path) -> dict[str, dict[str, str]]:
    """Return the kind of each model of a run, and its path relative to the run's folder."""
    noted: dict[str, dict[str, str]] = {}

    def note(setting: str, name: str) -> str:
        if name in PRESETS:
            noted[setting] = {"kind": "preset"}
        elif is_path(name):
            below = os.path.relpath(os.path.realpath(name), os.path.realpath(run))
            noted[setting] = {"kind": "folder", "from_run": below}
        else:
            noted[setting] = {"kind": "hub"}
        return name

    _mapped(config, note)
    return noted


def located_names(
    config: ModelConfig, run: Path, sources: Sources, *, must_be_there: bool = True
) -> ModelConfig:
    """Find the models that a run names, after it was moved and from any folder.

    Raises:
        UserError: A folder is not there. The hub is not asked for its name.
    """

    def locate(setting: str, name: str) -> str:
        source = sources.get(setting, {})
        if name in PRESETS or source.get("kind") == "hub":
            return name
        folder = next((place for place in _places(name, run, source) if place.is_dir()), None)
        if folder is not None:
            return os.path.abspath(folder)
        if not must_be_there or (not source and _HUB_NAME.fullmatch(name) and is_cached(name)):
            return name
        raise UserError(
            f"the folder {name}, given in {run}, is not there; put the model back, or give its "
            f"place as {setting} in {run / 'recipe.yaml'}"
        )

    return _mapped(config, locate)


def _places(name: str, run: Path, source: Mapping[str, str]) -> list[Path]:
    """List possible places of a folder: as named, relative to the run, and above the run.

    Runs of earlier versions stored relative names without the folder that they start from.
    """
    given = Path(name).expanduser()
    if given.is_absolute():
        places = [given]
    else:
        places = [folder / given for folder in Path(os.path.abspath(run)).parents]
        places.append(given)
    if "from_run" in source:
        places.append(Path(os.path.normpath(os.path.realpath(run / source["from_run"]))))
    return places


def _mapped(config: ModelConfig, change: Callable[[str, str], str]) -> ModelConfig:
    """Replace each model name by the result of a function of its setting and the name."""
    if config.name is not None:
        return replace(config, name=change("model.name", config.name))
    if config.blip2 is None:
        return config
    parts = {
        part: change(f"model.blip2.{part}", name)
        for part in ("stage2", "stage1", "processor")
        if (name := getattr(config.blip2, part)) is not None
    }
    return replace(config, blip2=Blip2Config(**parts))
