"""The mixture of a recipe, applied to a build.

`read` reads the mixture of a recipe file into the classes of `model`, and `changed` applies
settings of the command line. `members` finds the datasets in a build. `plan` computes what a run
draws, with `lengths` and `loss_share`; `run_settings` reads the settings of the run that this
needs. `sample_index` finds record k of a form in the sample shards.
"""

from instructify.recipe.changed import changed_recipe, mixtures_of
from instructify.recipe.members import MixedBuild, mix_build
from instructify.recipe.model import MixtureRecipe, RecipeMember, Waiver
from instructify.recipe.plan import Change, Plan, PlanRow, compare, make_plan, plan_value
from instructify.recipe.read import (
    ALL,
    RECIPE_FORMAT,
    RecipeFile,
    inherited_waivers,
    load_mixture,
    load_waivers,
    mixture_of,
    read_recipe,
    recipe_path,
)
from instructify.recipe.run_settings import RunSettings, run_settings
from instructify.recipe.sample_index import batches_of, valid_batch, valid_batches

__all__ = [
    "ALL",
    "Change",
    "MixedBuild",
    "MixtureRecipe",
    "Plan",
    "PlanRow",
    "RECIPE_FORMAT",
    "RecipeFile",
    "RecipeMember",
    "RunSettings",
    "Waiver",
    "batches_of",
    "changed_recipe",
    "compare",
    "inherited_waivers",
    "load_mixture",
    "load_waivers",
    "make_plan",
    "mix_build",
    "mixture_of",
    "mixtures_of",
    "plan_value",
    "read_recipe",
    "recipe_path",
    "run_settings",
    "valid_batch",
    "valid_batches",
]
