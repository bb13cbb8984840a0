"""Apply settings of the command line, `a.b=value`, to a recipe file."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from instructify._util.yaml_lines import Node, read_yaml
from instructify._util.yaml_settings import with_setting
from instructify.recipe.read import base_of, read_recipe, recipe_path


def changed_recipe(recipe: str, settings: Sequence[str] = ()) -> Node:
    """Read the file of a recipe, a built-in one by name or any by path, and change it."""
    root = read_yaml(recipe_path(recipe))
    for setting in settings:
        root = with_setting(_opened(root, setting), setting)
    return root


def mixtures_of(mixture: Node) -> Iterator[Mapping[str, Node]]:
    """Iterate over the settings of a mixture, then of the mixture it is based on, and so on."""
    seen: set[str] = set()
    while True:
        if not isinstance(mixture.value, str):
            yield mixture.entries()
        base = base_of(mixture)
        if base is None or base in seen:
            return
        seen.add(base)
        mixture = read_recipe(read_yaml(recipe_path(base))).mixture


def _opened(root: Node, setting: str) -> Node:
    """Make a mixture that is given by name changeable: `paper` becomes `{like: paper}`.

    Below `members`, the members of the named mixture stay, and the setting changes one of them.
    """
    entries = root.value if isinstance(root.value, dict) else {}
    mixture = entries.get("mixture")
    if mixture is None or not setting.startswith("mixture."):
        return root
    inner = {"like": mixture} if isinstance(mixture.value, str) else mixture.entries()
    if setting.startswith("mixture.members.") and "members" not in inner and "like" in inner:
        named = (fields["members"] for fields in mixtures_of(inner["like"]) if "members" in fields)
        members = next(named, None)
        inner = inner if members is None else {**inner, "members": members}
    opened = dataclasses.replace(mixture, value=dict(inner))
    return dataclasses.replace(root, value={**entries, "mixture": opened})
