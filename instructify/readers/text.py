"""Clean raw texts by a few rules, which are the same for every reader.

Outer white space is removed. In captions, inner runs of white space (spaces, newlines) also become
one space, since raw captions contain stray newlines and double spaces. Case, spelling and
punctuation are not changed.
"""

from collections.abc import Sequence

from instructify._util.keyed import key_of


def clean(text: str) -> str:
    """Remove outer white space."""
    return text.strip()


def clean_caption(text: str) -> str:
    """Remove outer white space, and replace inner runs of it by one space."""
    return " ".join(text.split())


def most_common(answers: Sequence[str]) -> int:
    """Return the index of the most frequent answer, the first of equally frequent ones.

    Empty answers do not count; at least one answer is not empty.
    """
    counts: dict[str, int] = {}
    for answer in filter(None, answers):
        counts[answer] = counts.get(answer, 0) + 1
    return answers.index(max(counts, key=counts.__getitem__))


def weighted_choice(answers: Sequence[str], record_id: str, seed: int) -> int:
    """Draw the index of an answer uniformly, so that equal answers are drawn by their count.

    The result depends only on (record id, seed).
    """
    return key_of(f"answer {record_id}", seed) * len(answers) >> 64


def safe_name(name: str) -> bool:
    """Whether a file name from the data stays below the folder that it is joined to."""
    if not name or "\0" in name or "\\" in name or name.startswith(("/", "~")) or ":" in name:
        return False
    return ".." not in name.split("/")
