"""Captions of the real slices by picture, read with json alone; none where there are no slices."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Groups = list[list[str]]

_ANNOTATIONS = (
    "coco_caption/annotations/captions_train2014.json",
    "coco_caption/annotations/captions_train2017.json",
    "coco_caption/annotations/captions_val2014.json",
    "nocaps/nocaps_val_4500_captions.json",
)


def real_captions() -> dict[str, Groups]:
    """Read what INSTRUCTIFY_REAL_DATA has: a set by file name."""
    root = Path(os.environ.get("INSTRUCTIFY_REAL_DATA") or "/nowhere") / "raw"
    if not root.is_dir():
        print("INSTRUCTIFY_REAL_DATA is not set: no real captions", flush=True)
        return {}
    sets: dict[str, Groups] = {}
    for name in _ANNOTATIONS:
        rows = _json(root / name)["annotations"]
        sets[Path(name).stem[:27]] = _grouped((row["image_id"], row["caption"]) for row in rows)
    images = _json(root / "flickr30k/dataset_flickr30k.json")["images"]
    sets["flickr30k"] = [[one["raw"] for one in image["sentences"]] for image in images]
    lines = (root / "flickr30k/results_20130124.token").read_text("utf-8").split("\n")
    pairs = (line.split("\t", 1) for line in lines if "\t" in line)
    sets["flickr30k tokens"] = _grouped((name.split("#")[0], text) for name, text in pairs)
    for path in sorted((root / "web_capfilt").glob("*_filtered.json")):
        sets[path.stem] = [[row["caption"]] for row in _json(path)]
    for path in sorted((root / "llava_instruct").glob("*.json")):
        turns = (turn for row in _json(path) for turn in row["conversations"])
        sets[path.stem] = [[turn["value"]] for turn in turns]  # no captions of one picture
    return sets


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _grouped(pairs: Iterable[tuple[object, str]]) -> Groups:
    groups: dict[object, list[str]] = {}
    for key, text in pairs:
        groups.setdefault(key, []).append(text)
    return list(groups.values())
