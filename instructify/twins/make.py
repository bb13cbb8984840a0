"""Make twins: the writer of each release, and the folder that the twins are written to.

A folder has the world of one seed. A folder with any other content is refused, so that a twin never
overwrites a real release.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean, first_line
from instructify._util.outside import NotReadableError, decode_values, read_regular
from instructify._util.shards import unwritable
from instructify.catalog import load_catalog
from instructify.twins.jsonfiles import write_json
from instructify.twins.layout import TwinRequest
from instructify.twins.writers_coco import write_coco_caption
from instructify.twins.writers_flickr import write_flickr30k
from instructify.twins.writers_gqa import write_gqa
from instructify.twins.writers_iconqa import write_iconqa
from instructify.twins.writers_knowledge import write_aokvqa, write_okvqa
from instructify.twins.writers_llava import write_llava_instruct
from instructify.twins.writers_memes import write_hateful_memes
from instructify.twins.writers_openimages import write_nocaps, write_textvqa
from instructify.twins.writers_reading import write_ocr_vqa, write_textcaps
from instructify.twins.writers_science import write_scienceqa
from instructify.twins.writers_video import write_ivqa, write_msrvtt_qa, write_msvd_qa
from instructify.twins.writers_visdial import write_visdial
from instructify.twins.writers_vizwiz import write_vizwiz
from instructify.twins.writers_vqa import write_vqav2
from instructify.twins.writers_vsr import write_vsr
from instructify.twins.writers_web import write_web_capfilt

Writer = Callable[[TwinRequest], None]
WORLD_FORMAT = 1

WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "coco_caption": write_coco_caption,
        "web_capfilt": write_web_capfilt,
        "textcaps": write_textcaps,
        "vqav2": write_vqav2,
        "okvqa": write_okvqa,
        "aokvqa": write_aokvqa,
        "ocr_vqa": write_ocr_vqa,
        "llava_instruct": write_llava_instruct,
        "nocaps": write_nocaps,
        "flickr30k": write_flickr30k,
        "vizwiz": write_vizwiz,
        "gqa": write_gqa,
        "vsr": write_vsr,
        "iconqa": write_iconqa,
        "scienceqa": write_scienceqa,
        "visdial": write_visdial,
        "textvqa": write_textvqa,
        "hateful_memes": write_hateful_memes,
        "msvd_qa": write_msvd_qa,
        "msrvtt_qa": write_msrvtt_qa,
        "ivqa": write_ivqa,
    }
)


class TwinSummary(NamedTuple):
    """One release as written: its files without the pictures, and how many pictures it names."""

    release: str
    files: tuple[str, ...]
    num_pictures: int


def make_twin(
    names: Sequence[str],
    out: Path,
    scale: float = 1.0,
    seed: int = 0,
    pictures: bool = True,
    done: Callable[[TwinSummary], None] | None = None,
) -> list[TwinSummary]:
    """Write the twins of these releases or datasets below `out`, a raw root, and sum up each.

    Scale 1 has about 40 training pictures, 20 for validation and 20 for test a release. With
    `pictures=False` only the annotation files are written. `done` is told of each release as it is
    finished. Raises UserError for a name that is unknown, a scale that is not positive and
    finite, or a folder that holds other things.
    """
    releases = twin_releases(names)
    if not 0 < scale < math.inf:
        raise UserError(
            f"the scale of a twin must be above 0 and finite, not {scale}; 1 is the small default"
        )
    _claim(out, seed)
    summaries = []
    for release in releases:
        request = TwinRequest(out=out, release=release, seed=seed, scale=scale, pictures=pictures)
        try:
            WRITERS[release](request)
        except OSError as error:  # one without a name comes from a file that was open
            raise unwritable(Path(error.filename or out), error) from error
        summary = _sum_up(request)
        summaries.append(summary)
        if done is not None:
            done(summary)
    return summaries


def twin_releases(names: Sequence[str]) -> list[str]:
    """Turn names of releases and datasets into releases, each once, in the order of the catalog."""
    datasets = {dataset.name: dataset.release for dataset in load_catalog().datasets.values()}
    wanted = set()
    for name in names:
        release = datasets.get(name, name)
        if release not in WRITERS:
            known = {*WRITERS, *datasets}
            raise UserError(f"there is no twin of '{name}': {did_you_mean(name, known)}")
        wanted.add(release)
    return [release for release in WRITERS if release in wanted]


def is_twin_root(folder: Path) -> bool:
    """Tell whether a raw root holds twins, so that all of its texts are of the generated world."""
    return _marker(folder).is_file()


def _marker(folder: Path) -> Path:
    return folder / "truth" / "world.json"


def twin_datasets() -> list[str]:
    """List the datasets whose release has a twin, in the order of the catalog."""
    return [
        dataset.name for dataset in load_catalog().datasets.values() if dataset.release in WRITERS
    ]


def _claim(out: Path, seed: int) -> None:
    """Mark the folder as a world of this seed, or refuse it."""
    marker = _marker(out)
    if os.path.lexists(marker):
        try:
            world = decode_values(read_regular(marker))
        except (OSError, NotReadableError) as error:
            raise UserError(
                f"{marker} is damaged ({first_line(error)}); give another --out"
            ) from error
        if world != {"format": WORLD_FORMAT, "seed": seed}:
            raise UserError(
                f"{out} holds twins of another world ({marker.name}: {str(world)[:200]}); "
                f"give --seed {str(world.get('seed'))[:40]} or another --out"
            )
        return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(
            f"{out} is not empty and holds no twins; give a new folder, nothing is overwritten"
        )
    write_json(marker, {"format": WORLD_FORMAT, "seed": seed})


def _sum_up(request: TwinRequest) -> TwinSummary:
    named = request.out / "truth" / f"{request.release}.jsonl"
    num_pictures = 0
    if request.pictures:
        with named.open("rb") as lines:
            num_pictures = sum(1 for _ in lines)
    pictures = {".jpg", ".png", ".gif", ".avi", ".mp4", ".webm"}
    files = sorted(
        path.relative_to(request.out).as_posix()
        for path in request.folder.rglob("*")
        if path.is_file() and path.suffix not in pictures
    )
    return TwinSummary(request.release, tuple(files), num_pictures)
