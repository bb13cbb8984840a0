"""Data of real size for the GPU report: distinct JPEGs, and texts as long as real ones.

The mixture has the paper's members and shares; how many words their instructions and responses have
was counted in slices of the real releases (those of COCO, TextCaps, Web CapFilt and LLaVA's
descriptions are set by hand). A word here is a token of the tokenizer that is used.
"""

import json
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from instructify.build import Build, EngineOptions
from instructify.catalog.load import load_catalog
from instructify.catalog.model import Catalog
from instructify.commands.convert import ConvertOptions, run_convert

TOKENS_A_WORD = 1.3
TEMPLATE_WORDS = 5  # that the templates of `image_qa` add on average
NOISE = 18.0  # of a JPEG of quality 85: about 150 kB at 640 x 480


class Member(NamedTuple):
    """A dataset of the paper: its size, its factor, and words of instruction and response.

    Words are drawn from a log-normal distribution of this median and spread.
    """

    size: int
    factor: float
    asked: tuple[float, float]
    answered: tuple[float, float]


MEMBERS = {
    "coco_caption": Member(566_747, 1.0, (9, 0.2), (10, 0.25)),
    "web_capfilt": Member(14_000_000, 1.0, (9, 0.2), (8, 0.3)),
    "textcaps": Member(109_765, 1.0, (35, 0.4), (12, 0.3)),
    "vqav2": Member(443_757, 1.0, (14, 0.25), (1.1, 0.2)),
    "okvqa": Member(9_009, 2.0, (17, 0.25), (1.2, 0.3)),
    "aokvqa": Member(17_056, 1.5, (22, 0.3), (1.2, 0.3)),
    "ocr_vqa": Member(801_579, 1.0, (14, 0.25), (2, 0.7)),
    "vqav2_qg": Member(443_757, 1.0, (12, 0.3), (6, 0.3)),
    "okvqa_qg": Member(9_009, 1.0, (12, 0.3), (7.5, 0.3)),
    "aokvqa_qg": Member(17_056, 1.0, (12, 0.4), (8, 0.3)),
    "llava_conversation": Member(256_870, 0.44, (50, 0.6), (24, 1.1)),
    "llava_detail": Member(23_240, 1.0, (14, 0.2), (95, 0.25)),
    "llava_reasoning": Member(76_643, 1.0, (13, 0.2), (110, 0.25)),
}


class Made(NamedTuple):
    """A build, the catalog that it needs, and the file of the recipe whose mixture it has."""

    build: Build
    catalog: Catalog
    recipe: Path


def draw_picture(size: tuple[int, int], place: tuple[int, Path]) -> None:
    """Draw the picture of a number into a folder: coarse colours under noise."""
    number, folder = place
    dice = np.random.default_rng(number)
    coarse = dice.integers(0, 255, (12, 16, 3), np.uint8)
    smooth = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(smooth, np.float32) + dice.normal(0, NOISE, (size[1], size[0], 1))
    made = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    made.save(folder / f"{number}.jpg", quality=85)


def draw_pictures(places: Sequence[tuple[int, Path]], size: tuple[int, int]) -> None:
    """Draw a picture of each number into its folder, on all cores."""
    with ProcessPoolExecutor() as processes:
        list(processes.map(partial(draw_picture, size), places, chunksize=16))


def one_token_words(tokenizer: Any) -> list[str]:
    """List the words that are one token each between others."""
    words = []
    bare = len(tokenizer("cat cat")["input_ids"])
    for token in tokenizer.get_vocab():
        word = token.strip("▁Ġ").lower()
        is_word = word.isascii() and word.isalpha() and len(word) > 2
        if is_word and len(tokenizer(f"cat {word} cat")["input_ids"]) == bare + 1:
            words.append(word)
    return sorted(set(words))


def make_rows(member: Member, words: Sequence[str], dice: random.Random, count: int) -> list[Any]:
    """Write the questions and answers of a member."""

    def text(shape: tuple[float, float], less: int) -> str:
        median, spread = shape
        number = round(TOKENS_A_WORD * (median * np.exp(dice.gauss(0, spread)) - less))
        return " ".join(dice.choice(words) for _ in range(max(1, number)))

    return [
        {"question": text(member.asked, TEMPLATE_WORDS) + "?", "answer": text(member.answered, 0)}
        for _ in range(count)
    ]


def make_data(folder: Path, tokenizer: Any, *, size: tuple[int, int], count: int) -> Made:
    """Draw about `count` pictures, ask one question about each, and convert it all."""
    words, dice = one_token_words(tokenizer), random.Random(0)
    raw = folder / "raw"
    shares = np.array([one.factor * one.size**0.5 for one in MEMBERS.values()])
    counts = np.maximum(4, np.round(count * shares / shares.sum())).astype(int).tolist()
    entries: dict[str, Any] = {}
    places: list[tuple[int, Path]] = []
    for (name, member), rows in zip(MEMBERS.items(), counts, strict=True):
        path = raw / f"sized_{name}" / "train.jsonl"
        (path.parent / "pictures").mkdir(parents=True)
        data = make_rows(member, words, dice, rows)
        for row in data:
            row["picture"] = f"{len(places)}.jpg"
            places.append((len(places), path.parent / "pictures"))
        path.write_text("".join(json.dumps(row) + "\n" for row in data))
        columns = {one: one for one in ("picture", "question", "answer")}
        table = {"files": {"train": "train.jsonl"}, "pictures": "pictures", "columns": columns}
        entries[path.parent.name] = {"task": "image_qa", "table": table}
    draw_pictures(places, size)
    catalog = folder / "catalog.yaml"  # JSON is YAML
    catalog.write_text(json.dumps({"format": 1, "datasets": entries}))
    options = ConvertOptions(
        names=tuple(entries), raw=raw, out=folder / "build", catalog_file=catalog,
        engine=EngineOptions(jobs=8),
        pictures="reference",
    )  # fmt: skip
    run_convert(options, as_json=False)
    return Made(Build.open(folder / "build"), load_catalog(extra=catalog), recipe(folder))


def made_before(folder: Path) -> Made:
    """Open what `make_data` made."""
    catalog = load_catalog(extra=folder / "catalog.yaml")
    return Made(Build.open(folder / "build"), catalog, folder / "sized.yaml")


def recipe(folder: Path) -> Path:
    """Write the recipe: the paper's shares and batches."""
    members = {
        f"sized_{name}": {"factor": round(one.factor * one.size**0.5, 3)}
        for name, one in MEMBERS.items()
    }
    mixture = {
        "note": "the paper's shares", "alpha": 0, "order": "random_datasets",
        "batches": "per_rank", "reference_ranks": 16, "members": members,
    }  # fmt: skip
    path = folder / "sized.yaml"
    path.write_text(json.dumps({"format": 1, "mixture": mixture, "model": {"name": "scaled"}}))
    return path
