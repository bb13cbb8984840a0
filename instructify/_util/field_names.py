"""The names that a user may give to columns of own data which templates read.

The entry of a dataset and a file of templates both name such fields by the same rule.
"""

import re
from collections.abc import Sequence

from instructify._util.yaml_lines import Node

MOST_FIELDS = 50
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# What records and samples have themselves, what templates know beside it, and words of Jinja.
RESERVED = frozenset(
    (
        *("record_id", "sample_id", "form", "pictures", "picture", "question", "answer"),
        *("references", "choices", "choice_index", "context", "caption", "history", "text"),
        *("ocr_tokens", "ocr_source", "subset", "difficult", "relevance", "answer_choice"),
        *("fields", "source", "position", "dataset", "split", "task", "draw", "instruction"),
        *("qformer_instruction", "response", "candidates", "candidate_set", "template"),
        *("template_sha256", "option_order", "reader", "source_sha256", "task_name"),
        *("dataset_name", "id", "turns", "loop", "self", "if", "else", "elif", "for", "in"),
        *("not", "and", "or", "is", "none", "true", "false", "set", "endif", "endfor"),
        *("recursive", "import", "include", "block", "macro", "filter", "call", "with"),
    )
)


def is_own_field(name: object) -> bool:
    """Return whether a field of own data may have this name."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and name not in RESERVED


def check_field_names(node: Node, names: Sequence[str]) -> tuple[str, ...]:
    """Check the names of some fields of own data; return them sorted.

    Raises:
        UserError: A name has another form or is taken, or there are too many.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise node.error(
                f"'{name[:60]}' cannot be a variable of a template; a name of a field begins with "
                "a-z and holds a-z, 0-9 and _ only, 40 at most"
            )
        if name in RESERVED:
            raise node.error(f"'{name}' has a meaning in templates already; choose another name")
    if len(names) > MOST_FIELDS:
        raise node.error(f"{len(names)} fields are more than {MOST_FIELDS}; leave some out")
    return tuple(sorted(names))


def read_field_names(node: Node) -> tuple[str, ...]:
    """Read a list of fields of own data."""
    return check_field_names(node, node.texts())
