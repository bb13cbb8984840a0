"""Load the mixture of a recipe: its datasets, their forms, and how the shares are computed.

A recipe is a YAML file, a built-in one given by name (`paper`) or the user's given by path. Unknown
keys are refused with the nearest name. `members` checks whether a build has the members.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from instructify._util.errors import UserError, did_you_mean
from instructify._util.resources import find
from instructify._util.yaml_lines import Node, read_yaml
from instructify._util.yaml_marks import AS_IT_IS, STRIPPED, format_is
from instructify._util.yaml_typed import decode
from instructify.recipe.model import MixtureRecipe, RecipeMember, Waiver

RECIPE_FORMAT = 1
ALL = "all"  # in place of members: the held-in datasets of the build


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeFile:
    """The top of a recipe file; its sections are decoded where they are needed.

    `name` is the name of a resolved recipe, which need not be the name of its file.
    """

    format: Annotated[int, format_is(RECIPE_FORMAT)]
    mixture: Node
    name: Annotated[str | None, STRIPPED] = None
    model: Node | None = None
    data: Node | None = None
    optimizer: Node | None = None
    run: Node | None = None
    waivers: Annotated[Node | None, AS_IT_IS] = None
    note: Node | None = None


def load_mixture(recipe: str) -> MixtureRecipe:
    """Load the mixture of a built-in recipe by name, or of a file by its path.

    A recipe may take the mixture of another recipe (`mixture: paper`) or change it (`mixture:
    {like: paper, alpha: 0}`). With `mixture: all`, the members are all held-in datasets of the
    build.
    """
    path = recipe_path(recipe)
    file = _read(path)
    return mixture_of(file.mixture, file.name or path.stem)


def load_waivers(recipe: str) -> tuple[Waiver, ...]:
    """Load the shared pictures that a recipe accepts, each with its reason.

    A recipe that takes the mixture of another recipe takes its waivers too, unless it has its own.
    """
    return inherited_waivers(_read(recipe_path(recipe)))


def inherited_waivers(recipe: RecipeFile) -> tuple[Waiver, ...]:
    """Return a recipe's own waivers, or those of the recipe whose mixture it takes."""
    seen: tuple[str, ...] = ()
    while recipe.waivers is None:
        base = base_of(recipe.mixture)
        if base is None:
            return ()
        seen = _once(recipe.mixture, base, seen)
        recipe = _read(recipe_path(base))
    return waivers_of(recipe.waivers)


def base_of(mixture: Node) -> str | None:
    """Return the recipe whose mixture this recipe takes or changes; None if it has its own."""
    like = mixture if isinstance(mixture.value, str) else mixture.entries().get("like")
    return None if like is None or like.value == ALL else like.text()


def _taken(mixture: Node, base: str, seen: tuple[str, ...]) -> MixtureRecipe:
    """Read the mixture of another recipe, which may itself take it from a third."""
    path = recipe_path(base)
    return mixture_of(_read(path).mixture, path.stem, _once(mixture, base, seen))


def _once(mixture: Node, base: str, seen: tuple[str, ...]) -> tuple[str, ...]:
    if base in seen:
        raise mixture.error(
            f"'{base}' takes its mixture from itself, by way of {' and '.join(seen)}; write it out "
            "in one of them"
        )
    return (*seen, base)


def recipe_names() -> tuple[str, ...]:
    """List the built-in recipes."""
    return tuple(sorted(path.stem for path in find("recipes").glob("*.yaml")))


def mixture_of(node: Node, name: str, seen: tuple[str, ...] = ()) -> MixtureRecipe:
    """Read the mixture of a recipe; `seen` are the recipes that led to this one."""
    base = base_of(node)
    takes_all = MixtureRecipe(name=name, members=(), takes_all=True)
    if isinstance(node.value, str):
        return takes_all if base is None else _taken(node, base, seen)
    written = dict(node.entries())
    start = None
    if "like" in written:
        start = takes_all if base is None else _taken(node, base, seen)
    elif "members" in written and written["members"].value == ALL:
        start = takes_all
    return _checked(node, _changed(node, written, name, start))


def _changed(
    node: Node, written: dict[str, Node], name: str, start: MixtureRecipe | None
) -> MixtureRecipe:
    """Decode a mixture that is written out (None), or the changes to a named one."""
    members = written.get("members")
    if start is not None and members is not None:
        start = dataclasses.replace(start, members=(), takes_all=members.value == ALL)
        if start.takes_all:
            del written["members"]
    if start is not None:
        start = dataclasses.replace(start, name=name, note=None)
    return decode(
        MixtureRecipe,
        dataclasses.replace(node, value=written),
        given={"name": name},
        base=start,
        others=("like",),
    )


def _checked(node: Node, recipe: MixtureRecipe) -> MixtureRecipe:
    """Refuse settings without effect."""
    fields = node.entries()
    if "reference_ranks" in fields and recipe.batches == "mixed":
        raise fields["reference_ranks"].error(
            "'reference_ranks' is for 'batches: per_rank'; add that, or leave it out"
        )
    if recipe.fine_tune and (recipe.takes_all or len(recipe.members) > 1):
        count = "all" if recipe.takes_all else len(recipe.members)
        raise node.at("fine_tune").error(
            f"'fine_tune' is for one dataset alone, and 'members' has {count}; leave "
            "'fine_tune' out, or the other datasets"
        )
    return _made_uniform(recipe, fields) if recipe.shares == "uniform" else recipe


def _made_uniform(recipe: MixtureRecipe, fields: Mapping[str, Node]) -> MixtureRecipe:
    """Drop the weights of the named mixture; refuse weights beside `uniform`."""
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
    return member.factor != 1 or any(factor is not None for factor in (member.forms or {}).values())


def read_recipe(root: Node) -> RecipeFile:
    """Check the keys and the format at the top level of a recipe."""
    return decode(RecipeFile, root)


def _read(path: Path) -> RecipeFile:
    return read_recipe(read_yaml(path))


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
    """Return the file of a recipe: a built-in one by name, any other by its path."""
    if recipe.endswith((".yaml", ".yml")) or "/" in recipe:
        return Path(recipe)
    if recipe not in recipe_names():
        raise UserError(
            f"there is no recipe '{recipe}' (a file of your own is given by its path, ending in "
            f".yaml); {did_you_mean(recipe, recipe_names())}"
        )
    return find("recipes") / f"{recipe}.yaml"
