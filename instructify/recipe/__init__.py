"""The mixture of a recipe, applied to a build.

`read` reads the mixture part of a recipe file, `members` finds its datasets in a build, `plan` says
what a run of so many steps draws, `sample_index` finds record k of a form in the sample shards.
"""

from instructify.recipe.members import MixedBuild, mix_build
from instructify.recipe.plan import Change, Plan, PlanRow, compare, make_plan, plan_value
from instructify.recipe.read import (
    RECIPE_FORMAT,
    MixtureRecipe,
    RecipeMember,
    Waiver,
    base_of,
    load_mixture,
    load_waivers,
    mixture_of,
    recipe_fields,
    recipe_name,
    recipe_path,
    waivers_of,
)
from instructify.recipe.sample_index import batches_of, valid_batch, valid_batches

__all__ = [
    "Change",
    "MixedBuild",
    "MixtureRecipe",
    "Plan",
    "PlanRow",
    "RECIPE_FORMAT",
    "RecipeMember",
    "Waiver",
    "base_of",
    "batches_of",
    "compare",
    "load_mixture",
    "load_waivers",
    "make_plan",
    "mix_build",
    "mixture_of",
    "plan_value",
    "recipe_fields",
    "recipe_name",
    "recipe_path",
    "valid_batch",
    "valid_batches",
    "waivers_of",
]
