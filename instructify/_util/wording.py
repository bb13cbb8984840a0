"""Words that depend on a number, for messages."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: 1 sample, 2,000 samples."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
