"""Words that trainers read as the place of a picture, broken in texts that come from data.

LLaVA, LLaMA-Factory and ms-swift find pictures by a word in the text. A question that happens to
hold `<image>` would count as a picture, or stop the run. So a space is inserted after the `<` of
such a word, `< image>`, and each changed text is counted.
"""

import re
from typing import NamedTuple

IMAGE = "<image>"
VIDEO = "<video>"

# llava/constants.py of LLaVA and LLaVA-NeXT; extras/constants.py of LLaMA-Factory and
# template/base.py of ms-swift, which also opens the file that `<img>path</img>` names.
_LLAVA = ("image", "video", "im_start", "im_end", "im_patch", "image-placeholder", "vid_patch")
_CHAT = ("image", "video", "audio", "ref-object", "bbox", "cot-process", "start-image", "img")


class Broken(NamedTuple):
    """A text without slot words, and whether it had any."""

    text: str
    changed: bool


class SlotWords:
    """The slot words of one kind of trainer."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._pattern = re.compile(f"<(?=(?:{'|'.join(map(re.escape, words))})>)")

    def broken(self, text: str) -> Broken:
        """Break every slot word of a text."""
        if "<" not in text:
            return Broken(text, False)
        clean, number = self._pattern.subn("< ", text)
        return Broken(clean, number > 0)


LLAVA_SLOTS = SlotWords(_LLAVA)
CHAT_SLOTS = SlotWords(_CHAT)
