"""How the samples of an existing build were rendered, so that no command changes it unasked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from instructify._util.errors import UserError, did_you_mean
from instructify.build import Build, SplitEntry
from instructify.templating import BUILT_IN, Mode, template_options

PROMPTS: tuple[Mode, ...] = get_args(Mode)


def splits_of(build: Build, names: Sequence[str]) -> dict[str, SplitEntry]:
    """Return the splits of the named datasets of a build; without names, those of all datasets."""
    return {
        f"{name}/{split}": of
        for name in names or build.manifest.datasets
        for split, of in build.dataset(name).splits.items()
    }


def standing_splits(out: Path, names: Sequence[str]) -> dict[str, SplitEntry]:
    """Return the splits that a conversion replaces or adds to; empty if there is no build yet."""
    if not (out / "manifest.json").exists():
        return {}
    build = Build.open(out)
    present = [name for name in names if name in build.manifest.datasets]
    return splits_of(build, present) if present else {}


def refuse_own_templates(folder: Path, splits: Mapping[str, SplitEntry]) -> None:
    """Raise UserError if a split has templates of another folder, which would be replaced."""
    for name, of in splits.items():
        if of.templates_folder != BUILT_IN:
            raise UserError(
                f"{name} in {folder} was rendered with the templates of "
                f"'{of.templates_folder}'; give `{template_options(of.templates_folder)}` (with "
                f"the path) to take them again, or --templates {BUILT_IN} to go back to ours."
            )


def mode_of(prompts: str) -> Mode:
    """Return the mode that --prompts names."""
    for mode in PROMPTS:
        if mode == prompts:
            return mode
    raise UserError(f"--prompts {prompts}: {did_you_mean(prompts, PROMPTS)}")


def mode_before(folder: Path, splits: Mapping[str, SplitEntry]) -> Mode:
    """Return the mode of the prompts of these splits.

    Raises:
        UserError: the splits have prompts of several modes.
    """
    modes = {of.prompts for of in splits.values()}
    if len(modes) > 1:
        raise UserError(
            f"{folder} has prompts of several kinds ({', '.join(sorted(modes))}); choose one for "
            "all with --prompts, or name datasets of one kind."
        )
    return modes.pop() if modes else "instruction"
