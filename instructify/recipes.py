"""Load the mixture of a recipe: which datasets, which forms, how their shares come about.

A recipe is a YAML file, ours by name (`paper`) or the user's by path. Unknown keys are refused
with the nearest name. Whether a build holds the members is for `members` to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from instructify.errors import UserError, did_you_mean
from instructify.mixture import ORDERS
from instructify.resources import find
from instructify.yaml_lines import Node, read_yaml

RECIPE_FORMAT = 1
SIZES = ("build", "official")
BATCHES = ("mixed", "one_dataset")
_MOST = 1e6
_OTHER_KEYS = ("model", "data", "optimizer", "run", "waivers", "note")  # for the trainer to read


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeMember:
    """A dataset of the mixture.

    `forms` None: all that have a target; the value of a form is its factor, None that of the
    catalog. `factor` multiplies all of them. `official` is the size that `size: official` takes,
    None that of the catalog.
    """

    dataset: str
    splits: tuple[str, ...] = ("train",)
    forms: Mapping[str, float | None] | None = None
    factor: float = 1.0
    official: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """A held-out dataset that may share pictures with one held-in dataset, or (None) with any."""

    held_out: str
    held_in: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureRecipe:
    """The mixture part of a recipe; `size` is build, official, or a number for every member."""

    name: str
    members: tuple[RecipeMember, ...]
    alpha: float = 0.5
    size: str | int = "build"
    order: str = "stratified"
    batches: str = "mixed"
    seed: int = 0
    fixed: Mapping[str, float]
    note: str | None = None


def load_mixture(recipe: str) -> MixtureRecipe:
    """Load the mixture of a recipe of ours by name, or of a file by its path.

    A recipe may name another one whose mixture it takes; that one must write it out.
    """
    fields, name = _mixture_fields(recipe)
    return mixture_of(fields["mixture"], name)


def load_waivers(recipe: str) -> tuple[Waiver, ...]:
    """Load which shared pictures a recipe knows of and accepts, each with its reason.

    A recipe that takes another one's mixture takes its waivers too, unless it has its own.
    """
    fields = _read(recipe_path(recipe))
    if "waivers" not in fields:
        fields, _ = _mixture_fields(recipe)
    return waivers_of(fields["waivers"]) if "waivers" in fields else ()


def _mixture_fields(recipe: str) -> tuple[Mapping[str, Node], str]:
    """Read the recipe whose mixture this one has: itself, or the one that it names."""
    path = recipe_path(recipe)
    fields = _read(path)
    if not isinstance(fields["mixture"].value, str):
        return fields, path.stem
    named = fields["mixture"]
    path = recipe_path(named.text())
    fields = _read(path)
    if isinstance(fields["mixture"].value, str):
        raise named.error(f"'{named.value}' takes its mixture from elsewhere; name that one")
    return fields, path.stem


def recipe_names() -> tuple[str, ...]:
    """List the recipes that ship with us."""
    return tuple(sorted(path.stem for path in find("train/recipes").glob("*.yaml")))


def mixture_of(node: Node, name: str) -> MixtureRecipe:
    """Read the mixture part of a recipe."""
    fields = node.fields(
        required=("members",),
        optional=("alpha", "size", "order", "batches", "seed", "fixed", "note"),
    )
    members = tuple(_member(key, one) for key, one in fields["members"].entries().items())
    if not members:
        raise fields["members"].error("'members' is empty; name at least one dataset")
    return MixtureRecipe(
        name=name,
        members=members,
        alpha=fields["alpha"].number(minimum=0, maximum=1) if "alpha" in fields else 0.5,
        size=_size(fields["size"]) if "size" in fields else "build",
        order=fields["order"].choice(ORDERS) if "order" in fields else "stratified",
        batches=fields["batches"].choice(BATCHES) if "batches" in fields else "mixed",
        seed=fields["seed"].integer() if "seed" in fields else 0,
        fixed=_fixed(fields["fixed"]) if "fixed" in fields else {},
        note=fields["note"].text().strip() if "note" in fields else None,
    )


def _read(path: Path) -> Mapping[str, Node]:
    return recipe_fields(read_yaml(path))


def recipe_fields(root: Node) -> Mapping[str, Node]:
    """Check the keys and the format at the top level of a recipe."""
    fields = root.fields(required=("format", "mixture"), optional=_OTHER_KEYS)
    if fields["format"].value != RECIPE_FORMAT:
        raise fields["format"].error(
            f"format {fields['format'].value} is unknown; this version reads {RECIPE_FORMAT}"
        )
    return fields


def waivers_of(node: Node) -> tuple[Waiver, ...]:
    """Read waivers: `held-out: reason` or `held-in / held-out: reason`."""
    waivers = []
    for key, reason in node.entries().items():
        names = [name.strip() for name in key.split("/")]
        if len(names) > 2 or not all(names):
            raise reason.error(
                f"'{key}' names no pair; write 'held-out' or 'held-in / held-out', then the reason"
            )
        held_in = names[0] if len(names) == 2 else None
        waivers.append(Waiver(held_out=names[-1], held_in=held_in, reason=reason.text().strip()))
    return tuple(waivers)


def recipe_path(recipe: str) -> Path:
    """Find the file of a recipe: ours by name, any other by its path."""
    if recipe.endswith((".yaml", ".yml")) or "/" in recipe:
        return Path(recipe)
    if recipe not in recipe_names():
        raise UserError(
            f"there is no recipe '{recipe}'; {did_you_mean(recipe, recipe_names())} "
            "A file of your own is given by its path, ending in .yaml."
        )
    return find("train/recipes") / f"{recipe}.yaml"


def _member(dataset: str, node: Node) -> RecipeMember:
    if node.is_null:
        return RecipeMember(dataset=dataset)
    fields = node.fields(optional=("splits", "forms", "factor", "official"))
    return RecipeMember(
        dataset=dataset,
        splits=fields["splits"].texts() if "splits" in fields else ("train",),
        forms=_forms(fields["forms"]) if "forms" in fields else None,
        factor=_factor(fields["factor"]) if "factor" in fields else 1.0,
        official=fields["official"].integer(minimum=1) if "official" in fields else None,
    )


def _forms(node: Node) -> dict[str, float | None]:
    """Forms as a list take the catalog's factors; as a mapping they bring their own."""
    if not node.is_mapping:
        return dict.fromkeys(node.texts())
    forms: dict[str, float | None] = {
        form: None if factor.is_null else _factor(factor) for form, factor in node.entries().items()
    }
    if not forms:
        raise node.error(f"'{node.path}' is empty; name a form, or leave the key out for all")
    return forms


def _factor(node: Node) -> float:
    factor = node.number(minimum=0, maximum=_MOST)
    if factor == 0:
        raise node.error(f"'{node.path}' is 0; to do without a member, leave it out")
    return factor


def _size(node: Node) -> str | int:
    if isinstance(node.value, str):
        return node.choice(SIZES)
    return node.integer(minimum=1)


def _fixed(node: Node) -> dict[str, float]:
    return {key: one.number(minimum=0, maximum=1) for key, one in node.entries().items()}
