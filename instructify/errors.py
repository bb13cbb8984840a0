"""The one error that a user is meant to read: a sentence, no traceback, exit code 2."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend; the message says what, where, what is allowed, what next."""


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """Name the nearest of `allowed`, or list them all when none is near."""
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"allowed: {', '.join(names)}" if names else "nothing is allowed here"
