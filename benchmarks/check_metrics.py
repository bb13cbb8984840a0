"""Holds our scorers against reference ones: pycocoevalcap (with Java) and scikit-learn.

Run: make check-metrics. Captions: those of the real slices below INSTRUCTIFY_REAL_DATA where
that is set, and made ones with odd words, numbers and marks. Each picture's first caption is scored
against its others. Ends with 1 if a difference is larger than the goals say.
"""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from made_captions import made_captions, marred
from real_captions import real_captions

from instructify.metrics.auc import rightly_ranked
from instructify.metrics.cider import cider_scores
from instructify.metrics.ptb import PtbTokenizer, clean_caption
from instructify.metrics.ranking import ndcg

MOST_PICTURES = 500
NEAR, NEAR_IF_FEW = 0.001, 0.003  # CIDEr as a fraction: 0.1 and 0.3 points
ALIKE = 0.995


class Official(NamedTuple):
    """The reference pipeline: a tokeniser of captions by picture, and CIDEr."""

    tokenize: Callable[[dict[int, list[dict[str, str]]]], dict[int, list[str]]]
    cider: Callable[[dict[int, list[str]], dict[int, list[str]]], tuple[float, np.ndarray]]


def official() -> Official:
    """Load the reference; its tokeniser writes beside itself, so it is copied to where it may."""
    if shutil.which("java") is None:
        sys.exit("no java here: install one first, e.g. `apt-get install default-jre-headless`")
    try:
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.tokenizer import ptbtokenizer
    except ModuleNotFoundError:
        sys.exit("pycocoevalcap is missing: run `make check-metrics`, which installs it")
    folder = Path(tempfile.mkdtemp(prefix="ptb-"))
    jar = ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR
    (folder / jar).symlink_to(Path(ptbtokenizer.__file__).with_name(jar))
    ptbtokenizer.__file__ = str(folder / "ptbtokenizer.py")
    return Official(ptbtokenizer.PTBTokenizer().tokenize, Cider().compute_score)


def tokenized(reference: Official, captions: Sequence[Sequence[str]]) -> dict[int, list[str]]:
    """Tokenise each picture's captions by the reference; line ends are cleaned as we do."""
    rows = {
        number: [{"caption": clean_caption(one)} for one in group]
        for number, group in enumerate(captions)
    }
    with quiet():
        return reference.tokenize(rows)


def check_tokens(reference: Official, name: str, captions: Sequence[str]) -> bool:
    """Compare tokens caption by caption; a blank line between them keeps neighbours apart."""
    spaced = [(caption, "~") for caption in captions]
    theirs = [group[0].split() for group in tokenized(reference, spaced).values()]
    tokenizer = PtbTokenizer()
    ours = [tokenizer.tokenize(caption) for caption in captions]
    unlike = [row for row in range(len(captions)) if ours[row] != theirs[row]]
    share = 1 - len(unlike) / len(captions)
    print(f"{name:<28}{len(captions):>9,}{len(unlike):>8,}{share:>10.4%}")
    for row in unlike[:3]:
        print(f"    {captions[row]!a:.100}")
        print(f"      ours   {sorted(set(ours[row]) - set(theirs[row]))}")
        print(f"      theirs {sorted(set(theirs[row]) - set(ours[row]))}")
    return share >= ALIKE


def check_cider(reference: Official, name: str, groups: Sequence[Sequence[str]]) -> bool:
    """Compare CIDEr from raw text on all pictures of a set that have several captions."""
    several = [group for group in groups if len(group) > 1]
    predictions, golds = [group[:1] for group in several], [group[1:] for group in several]
    with quiet():
        theirs, by_picture = reference.cider(
            tokenized(reference, golds), tokenized(reference, predictions)
        )
    tokens = PtbTokenizer().tokenize
    ours = cider_scores(
        [tokens(one[0]) for one in predictions], [[tokens(one) for one in of] for of in golds]
    )
    away = float(ours.mean() - theirs)
    most = float(np.abs(ours - by_picture).max())
    print(
        f"{name:<28}{len(several):>9,}{theirs:>10.5f}{ours.mean():>10.5f}{away:>+11.6f}{most:>11.6f}"
    )
    return abs(away) <= (NEAR if len(several) >= MOST_PICTURES else NEAR_IF_FEW)


def check_numbers() -> bool:
    """Compare AUC and NDCG, with and without ties, on random numbers."""
    from sklearn.metrics import ndcg_score, roc_auc_score

    generator = np.random.default_rng(0)
    most = {"AUC": 0.0, "NDCG": 0.0}
    for round_number in range(200):
        levels = (5, 1_000_000)[round_number % 2]
        labels = generator.random(300) < 0.3
        scores = generator.integers(0, levels, 300).astype(np.float64)
        ours = rightly_ranked(scores, labels)[labels].mean()
        most["AUC"] = max(most["AUC"], abs(ours - roc_auc_score(labels, scores)))
        relevance = generator.choice([0, 0, 0, 0.2, 0.6, 1.0], 100)
        options = generator.integers(0, levels, 100).astype(np.float64)
        theirs = ndcg_score([relevance], [options], k=int(np.count_nonzero(relevance)))
        most["NDCG"] = max(most["NDCG"], abs(ndcg(options, relevance) - theirs))
    for name, difference in most.items():
        print(f"{name:<28}{200:>9,} random sets, largest difference {difference:.1e}")
    return max(most.values()) < 1e-9


@contextmanager
def quiet() -> Iterator[None]:
    """Swallow what the reference and its Java say about their speed."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def main() -> int:
    """Run all checks."""
    reference = official()
    sets = {**real_captions(), "made": made_captions()}
    flat = {name: [one for group in groups for one in group] for name, groups in sets.items()}
    everything = [one for captions in flat.values() for one in captions]
    good = True
    print(f"{'tokens: set':<28}{'captions':>9}{'unlike':>8}{'alike':>10}")
    for name, captions in flat.items():
        good &= check_tokens(reference, name, captions)
    good &= check_tokens(reference, "marred", marred(everything, 20_000, random.Random(0)))
    print(
        f"\n{'CIDEr: set':<28}{'pictures':>9}{'theirs':>10}{'ours':>10}{'apart':>11}{'at most':>11}"
    )
    for name, groups in sets.items():
        if any(len(group) > 1 for group in groups):
            good &= check_cider(reference, name, groups)
    several = [group for groups in sets.values() for group in groups if len(group) > 2]
    again = [*several, *([*group[1:], group[0]] for group in several)]
    good &= check_cider(reference, "all, two captions each", again)
    print()
    good &= check_numbers()
    print("\nall within the goals" if good else "\nsome are outside of the goals")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
