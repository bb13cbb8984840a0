"""The twin of LLaVA-Instruct-150K: conversations, descriptions and reasoning about COCO
photographs.

Quirks on purpose: `<image>` before or after the first human text, several turns, lists and newlines
in answers, one photograph in several files, a stray quote in a prompt. Photographs have their 2017
names, without the folder.
"""

from collections.abc import Iterator
from typing import Literal

from instructify.twins.dialogs import Turn, conversation, detail, reasoning
from instructify.twins.dice import Dice
from instructify.twins.jsonfiles import write_list
from instructify.twins.layout import Album, TwinRequest, coco_photo
from instructify.twins.truth import Json
from instructify.twins.world import Scene

Kind = Literal["conversation", "detail", "reasoning"]
_FILES: tuple[tuple[Kind, str, int], ...] = (
    ("conversation", "conversation_58k.json", 40),
    ("detail", "detail_23k.json", 24),
    ("reasoning", "complex_reasoning_77k.json", 40),
)


def write_llava_instruct(request: TwinRequest) -> None:
    """Write the three files over the training photographs."""
    with Album(request) as album:
        for kind, name, base in _FILES:
            write_list(request.folder / name, _rows(request, album, kind, request.num(base)))


def _rows(request: TwinRequest, album: Album, kind: Kind, num: int) -> Iterator[Json]:
    for index in range(num):
        photo = coco_photo(request.seed, "train2014", index)
        album.add(photo.photo)
        dice = request.dice(kind, index)
        name = f"{photo.image_id:012d}"
        yield {
            "id": name,
            "image": f"{name}.jpg",
            "conversations": _messages(_turns(kind, photo.photo.scene, dice), dice),
        }


def _turns(kind: Kind, scene: Scene, dice: Dice) -> list[Turn]:
    match kind:
        case "conversation":
            return conversation(scene, dice, 2 + dice.below(4))
        case "detail":
            turn = detail(scene, dice)
            if dice.chance(0.05):
                turn = turn._replace(human=turn.human.replace("?", "'?"))
            return [turn]
        case "reasoning":
            return [reasoning(scene, dice)]


def _messages(turns: list[Turn], dice: Dice) -> list[Json]:
    messages: list[Json] = []
    for at, turn in enumerate(turns):
        human = turn.human
        if at == 0:
            human = f"<image>\n{human}" if dice.chance(0.5) else f"{human}\n<image>"
        messages.append({"from": "human", "value": human})
        messages.append({"from": "gpt", "value": turn.assistant})
    return messages
