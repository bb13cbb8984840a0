"""The mixture of a recipe as dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Node
from instructify._util.yaml_marks import (
    FROM_KEY,
    MAY_BE_EMPTY,
    NO_KEY,
    NOT_NULL,
    STRIPPED,
    Between,
    By,
    NotEmpty,
    OneOf,
)
from instructify.mixture import ORDERS
from instructify.templating import Mode

REFERENCE_RANKS = 16  # the paper's GPUs
Batches = Literal["mixed", "per_rank"]
Share = Annotated[float, Between(0, 1)]


def _factor(node: Node) -> float:
    factor = node.number(minimum=0, maximum=1e6)
    if factor == 0:
        raise node.error(f"'{node.path}' is 0; to do without a member, leave it out")
    return factor


def _forms(node: Node) -> dict[str, float | None]:
    """Read forms: a list takes the factors of the catalog, a mapping gives its own."""
    if not node.is_mapping:
        return dict.fromkeys(node.texts())
    forms: dict[str, float | None] = {
        form: None if factor.is_null else _factor(factor) for form, factor in node.entries().items()
    }
    if not forms:
        raise node.error(f"'{node.path}' is empty; name a form, or leave the key out for all")
    return forms


def _batches(node: Node) -> str:
    if node.value == "one_dataset":
        raise node.error(
            "'one_dataset' is now 'batches: per_rank' with 'reference_ranks: 1'; write both"
        )
    return node.choice(("mixed", "per_rank"))


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeMember:
    """A dataset of the mixture.

    `forms` None: all forms that have a target; the value of a form is its factor, or None for the
    factor of the catalog. `factor` multiplies all of them. `official` is the size that `size:
    official` uses, or None for the size in the catalog.
    """

    dataset: Annotated[str, FROM_KEY]
    splits: tuple[str, ...] = ("train",)
    forms: Annotated[Mapping[str, float | None] | None, By(_forms)] = None
    factor: Annotated[float, By(_factor)] = 1.0
    official: Annotated[int | None, Between(1), NOT_NULL] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiver:
    """A held-out dataset that may share pictures with one held-in dataset, or (None) with any."""

    held_out: str
    held_in: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureRecipe:
    """The mixture part of a recipe; `size` is build, official, or a number for every member.

    `takes_all`: the members are the held-in datasets of the build, whichever it has.
    `shares` uniform: each dataset has the same share, and its forms divide it equally, whatever
    sizes, `alpha` and factors are. `batches` mixed: a step takes samples of all members, and its
    loss is the mean over their label tokens. `batches` per_rank: a step takes `reference_ranks`
    logical batches of equal size, each of one member, and its loss is the mean over them of the
    mean over their label tokens. `fine_tune`: the one dataset of the recipe may be held out.
    `prompts`: instruction, or the baseline that the samples must have been rendered by.
    """

    name: Annotated[str, NO_KEY]
    members: Annotated[tuple[RecipeMember, ...], NotEmpty("name at least one dataset")]
    takes_all: Annotated[bool, NO_KEY] = False
    shares: Literal["by_size", "uniform"] = "by_size"
    alpha: Share = 0.5
    size: Literal["build", "official"] | Annotated[int, Between(1)] = "build"
    order: Annotated[str, OneOf(ORDERS)] = "stratified"
    batches: Annotated[Batches, By(_batches)] = "mixed"
    reference_ranks: Annotated[int, Between(1)] = REFERENCE_RANKS
    fine_tune: bool = False
    seed: int = 0
    prompts: Mode = "instruction"
    fixed: Annotated[Mapping[str, Share], MAY_BE_EMPTY] = field(default_factory=dict)
    note: Annotated[str | None, STRIPPED] = None

    def logical_batch(self, batch: int) -> int | None:
        """Return how many samples of one member a global batch takes together; None: mixed."""
        if self.batches == "mixed":
            return None
        each, rest = divmod(batch, self.reference_ranks)
        if rest or not each:
            raise UserError(
                f"'{self.name}' divides each global batch into {self.reference_ranks} logical "
                f"batches (batches: per_rank), and {batch} samples can't be divided so; give a "
                f"multiple of {self.reference_ranks}, or another 'mixture.reference_ranks'"
            )
        return each
