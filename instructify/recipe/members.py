"""Find the members of a recipe in a build, with their weights and samples.

A held-out dataset is refused, unless the recipe fine-tunes on that dataset alone. A member that is
missing is refused too, so that none is left out silently.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify.build import Build, DatasetEntry, content_key
from instructify.catalog import Catalog
from instructify.mixture import Drawn, Member, Mixture
from instructify.recipe.model import MixtureRecipe, RecipeMember
from instructify.recipe.sample_index import SampleIndex

TRAIN = "train"
_NO_TARGET = "caption_set"  # a picture with all its captions is for scoring


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A member and its samples; `entry` is its description in the manifest."""

    member: Member
    dataset: str
    splits: tuple[str, ...]
    form: str
    entry: DatasetEntry
    index: SampleIndex


class SamplePlace(NamedTuple):
    """A sample of the build: its part, the shard in the part's index, and the row in the shard."""

    part: int
    shard: int
    row: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MixedBuild:
    """A build with the mixture of a recipe; `parts` are in the order of the mixture's members."""

    build: Build
    recipe: MixtureRecipe
    mixture: Mixture
    parts: tuple[Part, ...]

    def hashes(self) -> dict[str, str]:
        """Hash the samples of each dataset, for the state of a run."""
        files = self.build.manifest.files
        hashes = {}
        for part in self.parts:
            splits = [part.entry.splits[split] for split in part.splits]
            sums = [files[name].sha256 for split in splits for name in split.sample_shards]
            hashes[part.dataset] = content_key("mixture samples", sums)
        return hashes

    def evaluation_prompts(self) -> list[str]:
        """Return the datasets whose evaluation prompts the mixture trains on."""
        datasets = self.build.manifest.datasets
        splits = (
            datasets[part.dataset].splits[name] for part in self.parts for name in part.splits
        )
        return sorted({dataset for split in splits for dataset in split.evaluation_prompts})

    def places(self, drawn: Drawn) -> list[SamplePlace]:
        """Return the places of drawn samples in the sample shards, in the order drawn."""
        places = [SamplePlace(0, 0, 0)] * len(drawn.member)
        for number, part in enumerate(self.parts):
            positions = (drawn.member == number).nonzero()[0]
            if len(positions):
                located = part.index.locate(
                    part.form, drawn.record[positions], drawn.draw[positions]
                )
                for at, shard, row in zip(positions, located.shard, located.row, strict=True):
                    places[at] = SamplePlace(number, int(shard), int(row))
        return places


def mix_build(
    build: Build, recipe: MixtureRecipe, catalog: Catalog, *, batch: int | None = None
) -> MixedBuild:
    """Find the members of a recipe in a build; `batch`, the global one, is needed per rank."""
    if recipe.takes_all:
        recipe = _with_all(build, recipe, catalog)
    parts_by_name: dict[str, Part] = {}
    for wanted in recipe.members:
        for part in _parts(build, recipe, wanted, catalog):
            parts_by_name[part.member.name] = part
    if batch is None and recipe.batches != "mixed":
        raise UserError(f"'{recipe.name}' has batches per rank; give the size of a global batch")
    mixture = Mixture(
        [part.member for part in parts_by_name.values()],
        alpha=recipe.alpha,
        fixed=recipe.fixed,
        order=recipe.order,
        seed=recipe.seed,
        logical_batch=None if batch is None else recipe.logical_batch(batch),
    )
    parts = tuple(parts_by_name[member.name] for member in mixture.members)
    return MixedBuild(build=build, recipe=recipe, mixture=mixture, parts=parts)


def _with_all(build: Build, recipe: MixtureRecipe, catalog: Catalog) -> MixtureRecipe:
    """Take all held-in datasets with samples to train on; the note names the others."""
    members: list[RecipeMember] = []
    left: list[str] = []
    for name, entry in build.manifest.datasets.items():
        known = catalog.datasets.get(name)
        if "held-out" in (entry.role, None if known is None else known.role):
            continue
        trained = TRAIN in entry.splits and entry.splits[TRAIN].samples
        forms = SampleIndex.open(build, name, (TRAIN,)).forms if trained else ()
        if any(form != _NO_TARGET for form in forms):
            members.append(RecipeMember(dataset=name))
        else:
            left.append(name)
    if not members:
        raise UserError(
            f"{build.paths.root} has no held-in dataset with a split '{TRAIN}' that has samples, "
            "which 'mixture: all' takes; convert one, or write 'members' with 'splits'"
        )
    notes = [] if recipe.note is None else [recipe.note]
    if left:
        notes.append(f"'all' leaves out {', '.join(left)}: nothing to train on in '{TRAIN}'.")
    return dataclasses.replace(recipe, members=tuple(members), note=" ".join(notes) or None)


def official_size(
    catalog: Catalog, wanted: RecipeMember, options: Mapping[str, str | int | float | bool]
) -> int | None:
    """Return the number of records of the complete release; None if it is not known."""
    if wanted.official is not None:
        return wanted.official
    dataset = catalog.datasets.get(wanted.dataset)
    if dataset is None:
        return None
    total = 0
    for split in wanted.splits:
        if split not in dataset.split_names:
            return None
        expected = dataset.split(split).expected_for(options)
        if expected is None or expected.records is None:
            return None
        total += expected.records
    return total


def _parts(
    build: Build, recipe: MixtureRecipe, wanted: RecipeMember, catalog: Catalog
) -> list[Part]:
    entry = _entry(build, recipe, wanted, catalog)
    _check_prompts(build, recipe, wanted)
    index = SampleIndex.open(build, wanted.dataset, wanted.splits)
    present = [form for form in index.forms if form != _NO_TARGET]
    forms = present if wanted.forms is None else list(wanted.forms)
    if not forms:
        raise _empty(build, recipe, wanted)
    parts = []
    for form in forms:
        if form not in present:
            raise _lacking(build, recipe, wanted, form, present, entry)
        member = Member(
            name=f"{wanted.dataset}/{form}",
            size=index.forms[form].num_records,
            draws=index.draws,
            factor=_factor(recipe, wanted, entry, form, num_forms=len(forms)),
            weighed=_weighed(recipe, wanted, entry, catalog, num_forms=len(present)),
        )
        parts.append(
            Part(
                member=member,
                dataset=wanted.dataset,
                splits=wanted.splits,
                form=form,
                entry=entry,
                index=index,
            )
        )
    return parts


def _factor(
    recipe: MixtureRecipe, wanted: RecipeMember, entry: DatasetEntry, form: str, *, num_forms: int
) -> float:
    """Return the factor of a form: of recipe and catalog, or its equal part of the dataset."""
    if recipe.shares == "uniform":
        return 1 / num_forms
    form_factor = None if wanted.forms is None else wanted.forms[form]
    return wanted.factor * (entry.weights.get(form, 1.0) if form_factor is None else form_factor)


def _check_prompts(build: Build, recipe: MixtureRecipe, wanted: RecipeMember) -> None:
    """Refuse samples that were rendered in another mode than the recipe asks for."""
    for split in wanted.splits:
        has = build.split(wanted.dataset, split).prompts
        if has != recipe.prompts:
            raise UserError(
                f"'{recipe.name}' trains on {recipe.prompts} prompts, and those of "
                f"{wanted.dataset}/{split} in {build.paths.root} are {has} ones; render a copy of "
                f"the build by `instructify retemplate COPY --prompts {recipe.prompts}`"
            )


def _weighed(
    recipe: MixtureRecipe,
    wanted: RecipeMember,
    entry: DatasetEntry,
    catalog: Catalog,
    *,
    num_forms: int,
) -> int | None:
    """Return the size from which the share is computed; forms of a dataset are scaled alike."""
    if recipe.size == "build":
        return None
    if isinstance(recipe.size, int):
        return recipe.size
    size = official_size(catalog, wanted, entry.options)
    if size is None:
        raise UserError(
            f"the catalog has no number of records for {wanted.dataset}/{'+'.join(wanted.splits)}, "
            f"which 'size: official' needs; write 'official: N' below {wanted.dataset}, or "
            "'size: build'."
        )
    return size if wanted.official is not None else max(1, round(size / num_forms))


def _entry(
    build: Build, recipe: MixtureRecipe, wanted: RecipeMember, catalog: Catalog
) -> DatasetEntry:
    """Return a member's entry in the build; refuse what must not be trained on."""
    name, root = wanted.dataset, build.paths.root
    known = catalog.datasets.get(name)
    entry = build.manifest.datasets.get(name)
    if known is None and entry is None:
        names = {
            *(dataset.name for dataset in catalog.select(role="held-in")),
            *build.manifest.datasets,
        }
        raise UserError(f"'{name}' in '{recipe.name}' is no dataset; {did_you_mean(name, names)}")
    for role, cluster in (
        (dataset.role, dataset.cluster) for dataset in (entry, known) if dataset is not None
    ):
        if role == "held-out" and not recipe.fine_tune:
            raise UserError(
                f"{name} is held out (cluster {cluster or 'of its own'}): it is there to evaluate "
                f"on and must not be trained on; take it out of '{recipe.name}', or fine-tune on "
                "it alone ('fine_tune: true' in the mixture)."
            )
    if entry is None:
        raise UserError(
            f"{root} has no {name}, a member of '{recipe.name}'; add it by "
            f"`instructify convert {name} --raw RAW --out {root}`{_without(recipe, name)}"
            f"{_all_instead(build)}."
        )
    for split in wanted.splits:
        if split not in entry.splits:
            raise UserError(
                f"{root} has no split '{split}' of {name}; it has {', '.join(entry.splits)}. Add "
                f"it by `instructify convert {name} --split {split} --raw RAW --out {root}`."
            )
    return entry


def _without(recipe: MixtureRecipe, name: str) -> str:
    if recipe.name == "paper" and name == "web_capfilt":
        return ", or do without it: `--recipe paper-without-capfilt`"
    return f", or take it out of '{recipe.name}'"


def _all_instead(build: Build) -> str:
    """Return the hint to train on all datasets of the build, if there are any."""
    entries = build.manifest.datasets.values()
    if not any(entry.role == "held-in" and TRAIN in entry.splits for entry in entries):
        return ""
    return ", or train on all held-in datasets of this build: `--set mixture=all`"


def _empty(build: Build, recipe: MixtureRecipe, wanted: RecipeMember) -> UserError:
    name = wanted.dataset
    return UserError(
        f"{name}/{'+'.join(wanted.splits)}, a member of the recipe '{recipe.name}', has no sample "
        f"with a target in {build.paths.root}: {_why_empty(build, wanted)}; {_less(recipe, name)}."
    )


def _less(recipe: MixtureRecipe, name: str) -> str:
    if recipe.name == "paper" and name == "web_capfilt":
        return "to do without it: `--recipe paper-without-capfilt`"
    return f"give `--recipe FILE.yaml` with a mixture that leaves {name} out (docs/mixture.md)"


def _why_empty(build: Build, wanted: RecipeMember) -> str:
    splits = [build.split(wanted.dataset, split) for split in wanted.splits]
    if any(split.rejects for split in splits):
        return f"see rejects/{wanted.dataset}.jsonl there"
    if any(split.records for split in splits):
        return "its records have none, since they are for evaluation only"
    return "the raw files that were converted hold no record of the split"


def _lacking(
    build: Build,
    recipe: MixtureRecipe,
    wanted: RecipeMember,
    form: str,
    present: list[str],
    entry: DatasetEntry,
) -> UserError:
    if form == _NO_TARGET:
        return UserError(
            f"records of form '{form}' have all captions and no target; {wanted.dataset} can be "
            f"trained on as {', '.join(present) or 'nothing else'}."
        )
    if not present:
        return _empty(build, recipe, wanted)
    if form not in entry.weights:
        return UserError(
            f"{wanted.dataset} has no form '{form}'; {did_you_mean(form, entry.weights)}"
        )
    return UserError(
        f"{wanted.dataset}/{'+'.join(wanted.splits)} in {build.paths.root} has no samples of form "
        f"'{form}', only of {', '.join(present)}; convert it again with the options that make "
        f"them (`instructify catalog {wanted.dataset}`), or take the form out of the mixture."
    )
