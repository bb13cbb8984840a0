"""What the licence text of a dataset allows, judged by its words. This is no legal advice.

The `licence` of the catalog is text in parts: `CC BY 4.0; photographs as COCO`. Two checks read it:
whether it forbids or does not grant sharing, and whether every part names a licence that the user
accepts.
"""

import re
from collections.abc import Iterable, Mapping

from instructify._util.errors import UserError
from instructify.build import DatasetEntry

# Words of a licence text that forbid or do not grant sharing.
_WITHHELD = {
    r"\bno redistribution\b": "forbids redistribution",
    r"\bnone stated\b": "states no licence, so nobody gave the right to share it",
    r"\bbelongs? to\b": "leaves the pictures to their owners",
    r"\bresearch (and education )?only\b": "allows research only",
}
_PARTS = re.compile(r";\s*|,\s+and\s+")


def withheld(licence: str) -> str | None:
    """Return why a dataset must not be shared; None if its licence has no such words.

    An empty text counts as "none stated".
    """
    text = licence.strip() or "none stated"
    for pattern, why in _WITHHELD.items():
        if re.search(pattern, text, re.IGNORECASE):
            return why
    return None


def parts(licence: str) -> list[str]:
    """Split a licence text into its parts, such as those for annotations and for pictures."""
    return [part for part in _PARTS.split(licence.strip()) if part] or ["none stated"]


def accepts(names: Iterable[str], licence: str) -> bool:
    """Return whether each part of a licence text names one of these licences, as whole words."""
    patterns = [rf"(?<![\w.-]){re.escape(name.strip())}(?![\w-]|\.\d)" for name in names]
    return all(
        any(re.search(pattern, part, re.IGNORECASE) for pattern in patterns)
        for part in parts(licence)
    )


def check_redistribution(entries: Mapping[str, DatasetEntry], allowed: Iterable[str]) -> None:
    """Raise UserError if a dataset must not be shared and the user does not allow it."""
    held = {
        name: why
        for name, entry in entries.items()
        if name not in set(allowed) and (why := withheld(entry.licence)) is not None
    }
    if not held:
        return
    name, why = next(iter(held.items()))
    others = [other for other in held if other != name]
    more = f" (and so with {', '.join(others)})" if others else ""
    raise UserError(
        f"the licence of {name} {why}{more}: '{entries[name].licence}'; export the other datasets "
        f"alone, or confirm that you may share it: "
        f"{' '.join(f'--redistribute {other_name}' for other_name in held)}."
    )


def check_accepted_names(entries: Mapping[str, DatasetEntry], names: Iterable[str]) -> None:
    """Raise UserError for a licence that no dataset here names; it is probably misspelt."""
    licences = sorted({part for entry in entries.values() for part in parts(entry.licence)})
    for name in names:
        if not name.strip():
            raise UserError("--only-licences needs a name, such as 'CC BY 4.0'.")
        if not any(accepts([name], part) for part in licences):
            raise UserError(
                f"no dataset here has the licence '{name}'; the licences are: "
                f"{'; '.join(licences)}."
            )
