"""The shares of the datasets of a build in a training mixture, for a plot."""

from typing import Any

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.recipe import MixedBuild, MixtureRecipe, RecipeMember, load_mixture, mix_build


def mixture_shares(build: Build, catalog: Catalog, recipe: str) -> dict[str, Any]:
    """Return the shares of a recipe's members; if the build lacks some, of its held-in datasets."""
    chosen = load_mixture(recipe)
    note = None
    try:
        mixed = mix_build(build, chosen, catalog, batch=chosen.reference_ranks)
    except UserError as error:
        note = f"Not the mixture of '{recipe}': {error}"
        present = _present(build)
        if not present:
            return {"recipe": recipe, "note": note, "members": []}
        here = MixtureRecipe(name="what is here", members=present, fixed={})
        try:
            mixed = mix_build(build, here, catalog)
        except UserError as other:
            return {"recipe": recipe, "note": str(other), "members": []}
    return {"recipe": mixed.recipe.name, "note": note, "members": _members(mixed)}


def _present(build: Build) -> tuple[RecipeMember, ...]:
    return tuple(
        RecipeMember(dataset=name)
        for name, entry in build.manifest.datasets.items()
        if entry.role == "held-in" and "train" in entry.splits
    )


def _members(mixed: MixedBuild) -> list[list[Any]]:
    shares = mixed.mixture.probabilities.tolist()
    return [
        [part.member.name, share, part.member.size, part.member.factor]
        for part, share in zip(mixed.parts, shares, strict=True)
    ]
