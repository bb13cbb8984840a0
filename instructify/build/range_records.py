"""Assemble a split from its ranges: its ledger of rejects, and the shards made of them."""

import os
import shutil
from collections import Counter
from pathlib import Path

from instructify._util.shards import fresh_folder, sync, unwritable
from instructify.build.coverage import Coverage
from instructify.build.ledger import LedgerWriter
from instructify.build.ranges import range_hashes, range_rejects
from instructify.build.records_unit import REJECTS, Made, RecordsUnit, Written


def put_together(unit: RecordsUnit, made: Made, folder: Path) -> Written:
    """Fill the folder of a split from its ranges, with the result of a single reader."""
    fresh_folder(folder)
    with LedgerWriter(folder / REJECTS, unit.dataset.name, unit.split) as ledger:
        for made_range in made.ranges:
            ledger.add(range_rejects(made_range.folder, made_range.offset))
    shards = {}
    for number, (path, facts) in enumerate(made.shards):
        name = f"records-{number:05d}.arrow"
        _link(path, folder / name)
        shards[name] = facts
    hashes = [range_hashes(range_.folder) for range_ in made.ranges]
    forms = sum((Counter(range_.forms) for range_ in made.ranges), Counter[str]())
    return Written(
        records=sum(range_.rows for range_ in made.ranges),
        forms=dict(forms),
        rejects=ledger.counts,
        coverage=_sum([range_.coverage for range_ in made.ranges]),
        shards=shards,
        pack={},
        id_hashes=[ids for ids, _ in hashes],
        key_hashes=[keys for _, keys in hashes],
    )


def _link(path: Path, to: Path) -> None:
    """Link a finished file to a second name: another machine may assemble the same split."""
    try:
        try:
            os.link(path, to)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, to)
            sync(to)
    except OSError as error:
        raise unwritable(to, error) from error


def _sum(parts: list[Coverage]) -> Coverage:
    remarks = sum((Counter(part.remarks) for part in parts), Counter[str]())
    return Coverage(
        unlabelled=sum(part.unlabelled for part in parts),
        empty_answers=sum(part.empty_answers for part in parts),
        remarks=dict(sorted(remarks.items())),
    )
