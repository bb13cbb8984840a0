"""Load the mixture of a recipe: which datasets, which forms, how their shares come about.

A recipe is a YAML file, ours by name (`paper`) or the user's by path. Unknown keys are refused
with the nearest name. Whether a build holds the members is for `members` to say.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from instructify._util.errors import UserError, did_you_mean
from instructify._util.resources import find
from instructify._util.yaml_lines import Node, read_yaml
from instructify.mixture import ORDERS
from instructify.recipe.model import MixtureRecipe, RecipeMember, Waiver
from instructify.templating import Mode

RECIPE_FORMAT = 1
ALL = "all"  # in place of members: the held-in datasets of the build
SIZES = ("build", "official")
BATCHES = ("mixed", "per_rank")
SHARES = ("by_size", "uniform")
_MOST = 1e6
_OTHER_KEYS = ("name", "model", "data", "optimizer", "run", "waivers", "note")  # of the trainer


def load_mixture(recipe: str) -> MixtureRecipe:
    """Load the mixture of a recipe of ours by name, or of a file by its path.

    A recipe may name another one whose mixture it takes (`mixture: paper`), or changes
    (`mixture: {like: paper, alpha: 0}`); that one must write it out. `mixture: all` has all
    held-in datasets of the build as members.
    """
    path = recipe_path(recipe)
    fields = _read(path)
    return mixture_of(fields["mixture"], recipe_name(fields, path))


def load_waivers(recipe: str) -> tuple[Waiver, ...]:
    """Load which shared pictures a recipe knows of and accepts, each with its reason.

    A recipe that takes another one's mixture takes its waivers too, unless it has its own.
    """
    return inherited_waivers(_read(recipe_path(recipe)))


def inherited_waivers(fields: Mapping[str, Node]) -> tuple[Waiver, ...]:
    """Take a recipe's own waivers, or those of the recipe whose mixture it has."""
    seen: tuple[str, ...] = ()
    while "waivers" not in fields:
        mixture = fields["mixture"]
        base = base_of(mixture)
        if base is None:
            return ()
        seen = _once(mixture, base, seen)
        fields = _read(recipe_path(base))
    return waivers_of(fields["waivers"])


def recipe_name(fields: Mapping[str, Node], path: Path) -> str:
    """Name a recipe by its file, or as a resolved one remembers it."""
    return fields["name"].text() if "name" in fields else path.stem


def base_of(mixture: Node) -> str | None:
    """Name the recipe whose mixture this one takes or changes; None where it is written out."""
    like = mixture if isinstance(mixture.value, str) else mixture.entries().get("like")
    return None if like is None or like.value == ALL else like.text()


def _taken(mixture: Node, base: str, seen: tuple[str, ...]) -> MixtureRecipe:
    """Read the mixture of another recipe, which may take it from a third."""
    path = recipe_path(base)
    return mixture_of(_read(path)["mixture"], path.stem, _once(mixture, base, seen))


def _once(mixture: Node, base: str, seen: tuple[str, ...]) -> tuple[str, ...]:
    if base in seen:
        raise mixture.error(
            f"'{base}' takes its mixture from itself, by way of {' and '.join(seen)}; write it out "
            "in one of them"
        )
    return (*seen, base)


def recipe_names() -> tuple[str, ...]:
    """List the recipes that ship with us."""
    return tuple(sorted(path.stem for path in find("recipes").glob("*.yaml")))


def mixture_of(node: Node, name: str, seen: tuple[str, ...] = ()) -> MixtureRecipe:
    """Read the mixture part of a recipe; `seen` are the recipes that it was asked for by."""
    base = base_of(node)
    if isinstance(node.value, str):
        if base is None:
            return MixtureRecipe(name=name, members=(), takes_all=True)
        return _taken(node, base, seen)
    if base is None and "like" in node.entries():
        fields = node.fields(required=("like",), optional=_READ.keys())
        start = MixtureRecipe(name=name, members=(), takes_all=True)
    elif base is None:
        fields = node.fields(required=("members",), optional=_READ.keys())
        start = MixtureRecipe(name=name, members=())
    else:
        fields = node.fields(required=("like",), optional=_READ.keys())
        start = dataclasses.replace(_taken(node, base, seen), name=name, note=None)
    given = {key: _READ[key](one) for key, one in fields.items() if key != "like"}
    if "members" in given:
        given["takes_all"] = fields["members"].value == ALL
    recipe = dataclasses.replace(start, **given)
    if "reference_ranks" in given and recipe.batches == "mixed":
        raise fields["reference_ranks"].error(
            "'reference_ranks' is for 'batches: per_rank'; add that, or leave it out"
        )
    if recipe.fine_tune and (recipe.takes_all or len(recipe.members) > 1):
        count = "all" if recipe.takes_all else len(recipe.members)
        raise fields.get("fine_tune", node).error(
            f"'fine_tune' is for one dataset alone, and 'members' has {count}; leave "
            "'fine_tune' out, or the other datasets"
        )
    return _made_uniform(recipe, fields) if recipe.shares == "uniform" else recipe


def _made_uniform(recipe: MixtureRecipe, fields: Mapping[str, Node]) -> MixtureRecipe:
    """Drop the weights of the recipe that this one is like; refuse those beside `uniform`."""
    for key in ("alpha", "size"):
        if key in fields:
            raise fields[key].error(f"'{key}' changes nothing with 'shares: uniform'; leave it out")
    if "members" in fields and any(_has_factor(member) for member in recipe.members):
        raise fields["members"].error(
            "factors change nothing with 'shares: uniform'; leave them out (forms are then a list)"
        )
    members = tuple(
        dataclasses.replace(
            member,
            factor=1.0,
            forms=None if member.forms is None else dict.fromkeys(member.forms),
        )
        for member in recipe.members
    )
    return dataclasses.replace(recipe, alpha=0.0, size="build", members=members)


def _has_factor(member: RecipeMember) -> bool:
    return member.factor != 1 or any(one is not None for one in (member.forms or {}).values())


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
            f"there is no recipe '{recipe}' (a file of your own is given by its path, ending in "
            f".yaml); {did_you_mean(recipe, recipe_names())}"
        )
    return find("recipes") / f"{recipe}.yaml"


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


def _batches(node: Node) -> str:
    if node.value == "one_dataset":
        raise node.error(
            "'one_dataset' is now 'batches: per_rank' with 'reference_ranks: 1'; write both"
        )
    return node.choice(BATCHES)


def _members(node: Node) -> tuple[RecipeMember, ...]:
    if node.value == ALL:
        return ()
    members = tuple(_member(key, one) for key, one in node.entries().items())
    if not members:
        raise node.error("'members' is empty; name at least one dataset")
    return members


_READ: Mapping[str, Callable[[Node], Any]] = {
    "members": _members,
    "shares": lambda node: node.choice(SHARES),
    "alpha": lambda node: node.number(minimum=0, maximum=1),
    "size": _size,
    "order": lambda node: node.choice(ORDERS),
    "batches": _batches,
    "reference_ranks": lambda node: node.integer(minimum=1),
    "fine_tune": Node.boolean,
    "prompts": lambda node: node.choice(get_args(Mode)),
    "seed": Node.integer,
    "fixed": _fixed,
    "note": lambda node: node.text().strip(),
}
