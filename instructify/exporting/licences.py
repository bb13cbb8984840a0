"""What the licence text of a dataset lets one do, as far as its words tell. No legal advice.

The catalog's `licence` is prose in parts: `CC BY 4.0; photographs as COCO`. Two questions are asked
of it: does it forbid, or fail to grant, sharing; and does every part name a licence that the user
accepts.
"""

import re
from collections.abc import Iterable, Mapping

from instructify._util.errors import UserError
from instructify.build import DatasetEntry

# Words by which a licence text says that nobody gave the right to share.
_WITHHELD = {
    r"\bno redistribution\b": "forbids redistribution",
    r"\bnone stated\b": "states no licence, so nobody gave the right to share it",
    r"\bbelongs? to\b": "leaves the pictures to their owners",
    r"\bresearch (and education )?only\b": "allows research only",
}
_PARTS = re.compile(r";\s*|,\s+and\s+")


def withheld(licence: str) -> str | None:
    """Say why a dataset must not simply be shared; None where its licence has no such word.

    An empty text is taken for "none stated".
    """
    text = licence.strip() or "none stated"
    for pattern, why in _WITHHELD.items():
        if re.search(pattern, text, re.IGNORECASE):
            return why
    return None


def parts(licence: str) -> list[str]:
    """Take a licence text apart: what holds for the annotations, for the pictures, and so on."""
    return [part for part in _PARTS.split(licence.strip()) if part] or ["none stated"]


def accepts(names: Iterable[str], licence: str) -> bool:
    """Tell whether each part of a licence text names one of these licences, as whole words."""
    patterns = [rf"(?<![\w.-]){re.escape(name.strip())}(?![\w-]|\.\d)" for name in names]
    return all(
        any(re.search(pattern, part, re.IGNORECASE) for pattern in patterns)
        for part in parts(licence)
    )


def check_redistribution(entries: Mapping[str, DatasetEntry], allowed: Iterable[str]) -> None:
    """Refuse to prepare for sharing what must not be shared, unless the user says they may."""
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
        f"the licence of {name} {why}{more}: '{entries[name].licence}'; name the other datasets "
        f"alone, or say that you may share it: "
        f"{' '.join(f'--redistribute {one}' for one in held)}."
    )


def check_accepted_names(entries: Mapping[str, DatasetEntry], names: Iterable[str]) -> None:
    """Refuse a licence that no dataset here names in any part: it is misspelt, most likely."""
    known = sorted({part for entry in entries.values() for part in parts(entry.licence)})
    for name in names:
        if not name.strip():
            raise UserError("--only-licences needs a name, such as 'CC BY 4.0'.")
        if not any(accepts([name], part) for part in known):
            raise UserError(
                f"no dataset here has the licence '{name}'; the licences are: {'; '.join(known)}."
            )
