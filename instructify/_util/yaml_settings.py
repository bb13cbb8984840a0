"""Apply settings of the command line, `a.b=value`, to a tree read from YAML."""

import dataclasses
from collections.abc import Collection, Sequence

from instructify._util.errors import UserError
from instructify._util.terminal import shortened
from instructify._util.yaml_lines import MAX_DEPTH, Node, parse_yaml


def with_setting(root: Node, setting: str, *, texts: Collection[str] = ()) -> Node:
    """Put `a.b=value` into a tree; mappings that are not there yet are made.

    The value is YAML, but for the keys that are `texts`: it is taken as it stands there.
    """
    key, equals, text = setting.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UserError(f"'--set {setting}' is no setting; write key=value, as optimizer.lr=1e-4")
    if key.count(".") >= MAX_DEPTH:
        raise UserError(
            f"'--set {shortened(key, 80)}=' names a key below more than {MAX_DEPTH} others"
        )
    where = f"--set {setting}"
    value = (
        Node(value=text, file=where, line=1, path=key) if key in texts else parse_yaml(text, where)
    )
    return _placed(root, key.split("."), value)


def _placed(node: Node, keys: Sequence[str], value: Node) -> Node:
    if not keys:
        return dataclasses.replace(value, line=1, path=node.path, key=node.key)
    below = f"{node.path}.{keys[0]}" if node.path else keys[0]
    entries = dict(node.value) if isinstance(node.value, dict) else {}
    new = Node(value=None, file=value.file, line=1, path=below, key=keys[0])
    entries[keys[0]] = _placed(entries.get(keys[0], new), keys[1:], value)
    return dataclasses.replace(node, value=entries)
