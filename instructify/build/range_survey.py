"""A unit of work: the decision about a whole split that is needed before a range is read."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from instructify._util.errors import UserError
from instructify._util.shards import fresh_folder, private_name, sync, unwritable
from instructify.build.manifest import content_key
from instructify.build.ranges import range_urls
from instructify.build.records_unit import RecordsUnit, context_of
from instructify.readers import Cut, Ranges


@dataclass(frozen=True, kw_only=True, slots=True)
class SurveyUnit:
    """All ranges of a split: the result of looking at each, and its number of items."""

    records: RecordsUnit
    ranges: Ranges
    cuts: tuple[Cut, ...]
    seen: tuple[tuple[Path, int], ...]

    @property
    def name(self) -> str:
        return f"{self.records.name}, survey"

    @property
    def key(self) -> str:
        """Hash what the decision depends on, the content of the raw files included."""
        return content_key("survey", [self.records.key, [dict(cut) for cut in self.cuts]])


class SurveyReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The folder of a decision that is written and synced; None if the files are not good."""

    folder: Path | None = None


def run_survey(unit: SurveyUnit) -> SurveyReceipt:
    """Decide, and save the decision for the units that read the ranges.

    If nothing was seen before, an error is left to the reader of the whole split.
    """
    if unit.ranges.survey is None:
        raise TypeError(f"the reader of {unit.records.name} decides nothing")
    urls = (range_urls(folder, rows) for folder, rows in unit.seen)
    try:
        plan = unit.ranges.survey.decide(context_of(unit.records), urls)
    except UserError:
        if unit.seen:
            raise
        return SurveyReceipt()
    folder = unit.records.staging / private_name("survey")
    fresh_folder(folder)
    try:
        plan.save(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    for path in sorted(folder.iterdir()):
        sync(path)
    sync(folder)
    return SurveyReceipt(folder=folder)
