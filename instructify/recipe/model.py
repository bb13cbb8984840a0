"""What the mixture part of a recipe says, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from instructify._util.errors import UserError
from instructify.templating import Mode

REFERENCE_RANKS = 16  # the paper's GPUs


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
    """The mixture part of a recipe; `size` is build, official, or a number for every member.

    `takes_all`: the members are the held-in datasets of the build, whichever it has.
    `shares` uniform: each dataset has the same share, and its forms divide it equally, whatever
    sizes, `alpha` and factors are. `batches` mixed: a step takes samples of all members, and its
    loss is the mean over their label tokens. `batches` per_rank: a step takes `reference_ranks`
    logical batches of equal size, each of one member, and its loss is the mean over them of the
    mean over their label tokens. `fine_tune`: the one dataset of the recipe may be held out.
    `prompts`: instruction, or the baseline that the samples must have been rendered by.
    """

    name: str
    members: tuple[RecipeMember, ...]
    takes_all: bool = False
    shares: str = "by_size"
    alpha: float = 0.5
    size: str | int = "build"
    order: str = "stratified"
    batches: str = "mixed"
    reference_ranks: int = REFERENCE_RANKS
    fine_tune: bool = False
    seed: int = 0
    prompts: Mode = "instruction"
    fixed: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None

    def logical_batch(self, batch: int) -> int | None:
        """Say how many samples of one member a global batch takes together; None: mixed."""
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
