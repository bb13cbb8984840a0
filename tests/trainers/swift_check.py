"""ms-swift: its loader keeps every row, its template finds as many slots as pictures."""

import os
import re
from typing import Any

from expectations import read_case, require, sha256

case = read_case()
os.environ["ROOT_IMAGE_DIR"] = str(case.chat)  # as docs/export.md says

from swift.dataset import load_dataset  # noqa: E402
from swift.template.base import Template  # noqa: E402
from swift.template.template_inputs import StdTemplateInputs  # noqa: E402


def slots_of(inputs: Any) -> int:
    """Count what the template would replace by pictures or clips."""
    Template._replace_image_tags(inputs)
    words = "|".join(map(re.escape, Template.special_tokens))
    return sum(len(re.findall(words, message["content"])) for message in inputs.messages)


def main() -> None:
    total = 0
    for name, split in case.given:
        given = case.answered(name, split)
        if not given:
            continue
        path = str(case.chat / f"{name}-{split}.jsonl")
        rows, _ = load_dataset([path], load_from_cache_file=False, strict=True)
        require(len(rows) == len(given), f"{name}/{split} has {len(given)} rows, not {len(rows)}")
        for row, one in zip(rows, given, strict=True):
            images = [image["path"] for image in row.get("images") or []]
            videos = row.get("videos") or []
            hashes = [sha256(case.chat / file) for file in images + videos]
            require(hashes == one.pictures, one.sample_id)
            slots = ("<video>" if videos else "<image>") * len(one.pictures)
            user, assistant = row["messages"]
            text = f"{slots}\n{one.chat}" if slots else one.chat
            require(user == {"role": "user", "content": text}, one.sample_id)
            require(assistant == {"role": "assistant", "content": one.response}, one.sample_id)
            inputs = StdTemplateInputs.from_dict(dict(row))
            require(slots_of(inputs) == len(one.pictures), f"{one.sample_id} has its slots")
        total += len(given)
    print(f"{total} samples read, a slot a picture, paths found below ROOT_IMAGE_DIR")


if __name__ == "__main__":
    main()
