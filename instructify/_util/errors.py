"""The error that a user reads: a sentence, no traceback, exit code 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can fix; it says what, where, what is allowed, what to do next."""


class UndefinedScoreError(UserError):
    """A metric has no value for these items, although nothing is wrong with them."""


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, without its period; else the error's type."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(". ")


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """Name the nearest of `allowed`, or list all if none is near."""
    names = sorted(allowed)
    begun = [name for name in names if len(given) > 2 and name.startswith(given)]
    near = begun or difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"allowed: {', '.join(names)}" if names else "nothing is allowed here"
