"""Train the towers of a tiny preset and write the model as a folder that transformers loads.

The vision tower is trained on facts about generated scenes and the language model on the twins'
text. The Q-Former's word embeddings are copied from the language model, and it is trained to find
the things that a question is about. In the published models EVA-CLIP, FlanT5 or Vicuna, BERT and
the first stage of BLIP-2 take these places. The projection keeps its random weights. The same seed
and number of threads give the same weights, and the caller's random state is not changed.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from instructify._util.errors import UserError, did_you_mean
from instructify._util.file_names import require_text
from instructify._util.outside import NotReadableError, decode_values, read_regular
from instructify._util.shards import fresh_folder, sync, unwritable, write_json
from instructify_train.tiny.grounding import Found, teach_grounding
from instructify_train.tiny.language_tower import Marks, examine_language, teach_language
from instructify_train.tiny.presets import Loaded, build_preset
from instructify_train.tiny.vision_tower import Sight, teach_vision

FORMAT = 1
MARK = "towers.json"
TINY = ("tiny-llama", "tiny-t5")

Told = Callable[[str, int, int, float], None]  # stage, step, steps, loss


@dataclass(frozen=True, kw_only=True, slots=True)
class TowersRequest:
    """Which towers to train, and for how many steps."""

    preset: str = "tiny-llama"
    seed: int = 0
    vision_steps: int = 1000
    language_steps: int = 800
    grounding_steps: int = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class TowersReport:
    """Results of the training, measured on held-out scenes; times are wall clock."""

    preset: str
    seed: int
    threads: int
    vision_steps: int
    vision_s: float
    sight: Sight
    language_steps: int
    language_s: float
    marks: Marks
    grounding_steps: int
    grounding_s: float
    found: Found

    def as_json(self) -> dict[str, object]:
        """Return the report as written to `towers.json` and printed by `--json`."""
        plain = asdict(self)
        plain |= {"sight": self.sight._asdict(), "marks": self.marks._asdict()}
        plain["found"] = self.found._asdict()
        return {"format": FORMAT, **plain}


def teach_towers(request: TowersRequest, out: Path, on_step: Told) -> TowersReport:
    """Train, evaluate and write; raises UserError for other presets and for a folder in use."""
    if request.preset not in TINY:
        raise UserError(
            f"teach-towers knows the tiny presets, not '{request.preset}'; "
            f"{did_you_mean(request.preset, TINY)}"
        )
    _check_folder(out)
    loaded = build_preset(request.preset, seed=request.seed)
    report = teach(loaded, request, on_step)
    _write(loaded, report, out)
    return report


def teach(loaded: Loaded, request: TowersRequest, on_step: Told) -> TowersReport:
    """Train both towers and the Q-Former of a model in place."""
    seed = request.seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = time.monotonic()
        sight = teach_vision(
            loaded.model.vision_model,
            steps=request.vision_steps,
            seed=seed,
            on_step=lambda step, loss: on_step("vision", step, request.vision_steps, loss),
        )
        between = time.monotonic()
        teach_language(
            loaded,
            steps=request.language_steps,
            seed=seed,
            on_step=lambda step, loss: on_step("language", step, request.language_steps, loss),
        )
        lend_words(loaded)
        later = time.monotonic()
        grounding = teach_grounding(
            loaded,
            steps=request.grounding_steps,
            seed=seed,
            on_step=lambda step, loss: on_step("Q-Former", step, request.grounding_steps, loss),
        )
        end = time.monotonic()
    return TowersReport(
        preset=request.preset,
        seed=seed,
        threads=torch.get_num_threads(),
        vision_steps=request.vision_steps,
        vision_s=round(between - start, 1),
        sight=sight,
        language_steps=request.language_steps,
        language_s=round(later - between, 1),
        marks=examine_language(loaded, seed=seed),
        grounding_steps=request.grounding_steps,
        grounding_s=round(end - later, 1),
        found=grounding,
    )


def lend_words(loaded: Loaded) -> None:
    """Copy the language model's word embeddings to the Q-Former, scaled to its own deviation.

    Both have the same width in the tiny presets. A word gets the mean over its spellings, with and
    without a capital, that are one token of the language model; other words are not changed.
    """
    words, lender = loaded.processor.qformer_tokenizer, loaded.processor.tokenizer
    table = loaded.model.qformer.embeddings.word_embeddings.weight
    source = loaded.model.language_model.get_input_embeddings().weight
    spellings = {
        number: tokens
        for word, number in words.get_vocab().items()
        if word.isalnum() and (tokens := _spellings(lender, word))
    }
    with torch.no_grad():
        numbers = torch.tensor(sorted(spellings))
        lent = torch.stack([source[spellings[number]].mean(0) for number in sorted(spellings)])
        lent -= lent.mean(0)
        table[numbers] = lent * (table.std() / lent.std())


def _spellings(tokenizer: PreTrainedTokenizerBase, word: str) -> list[int]:
    spelled = [
        tokenizer(text, add_special_tokens=False).input_ids
        for text in dict.fromkeys((word, word.capitalize()))
    ]
    return [ids[0] for ids in spelled if len(ids) == 1]


def _check_folder(out: Path) -> None:
    require_text(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).exists()):
        raise UserError(
            f"{out} is not empty and holds no taught towers; choose another --out, "
            "nothing is overwritten"
        )


def _write(loaded: Loaded, report: TowersReport, out: Path) -> None:
    """Write to a temporary folder beside `out`, then replace the folder of an earlier run."""
    logging.disable_progress_bar()
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    fresh_folder(beside)
    try:
        loaded.model.save_pretrained(beside)
        loaded.processor.save_pretrained(beside)
        write_json(beside / MARK, report.as_json())
        for path in beside.rglob("*"):
            sync(path)
        _check_folder(out)
        if out.exists():
            shutil.rmtree(out)
        os.replace(beside, out)
        sync(out.parent)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_report(folder: Path) -> dict[str, object]:
    """Read the report of an earlier run; raises UserError if the folder holds no taught towers."""
    path = folder / MARK
    if not path.is_file():
        raise UserError(f"{folder} holds no taught towers; run `instructify teach-towers`")
    try:
        report = decode_values(read_regular(path))
    except (OSError, NotReadableError) as error:
        raise UserError(f"{path} is damaged; run `instructify teach-towers` again") from error
    if report.get("format") != FORMAT:
        raise UserError(
            f"{path} has format {report.get('format')}, this version knows {FORMAT}; "
            "run `instructify teach-towers` again"
        )
    return report
