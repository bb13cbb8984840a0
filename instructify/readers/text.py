"""The few rules by which raw text becomes record text, the same for every reader.

Outer white space goes; captions also have inner runs of white space (blanks, newlines) become one
blank, since raw captions hold stray newlines and double blanks. Nothing else is changed: case,
spelling and punctuation stay.
"""

from collections.abc import Sequence

from instructify._util.keyed import key_of


def clean(text: str) -> str:
    """Outer white space removed."""
    return text.strip()


def clean_caption(text: str) -> str:
    """Outer white space removed, inner runs of it made one blank."""
    return " ".join(text.split())


def most_common(answers: Sequence[str]) -> int:
    """Index of the first of the most frequent answers; ties go to the one that comes first.

    Empty answers do not count; one answer at least is not empty.
    """
    counts: dict[str, int] = {}
    for answer in filter(None, answers):
        counts[answer] = counts.get(answer, 0) + 1
    return answers.index(max(counts, key=counts.__getitem__))


def weighted_choice(answers: Sequence[str], record_id: str, seed: int) -> int:
    """Index of one answer, each as likely as any other, so that answers are drawn by their count.

    A pure function of (record id, seed).
    """
    return key_of(f"answer {record_id}", seed) * len(answers) >> 64


def safe_name(name: str) -> bool:
    """Whether a file name from the data stays below the folder that it is joined to."""
    if not name or "\0" in name or "\\" in name or name.startswith(("/", "~")) or ":" in name:
        return False
    return ".." not in name.split("/")
