"""TRL: its collator makes batches of every split, prompts masked, a picture slot a picture.

The processor is a small LLaVA one, made here, since none can be fetched without a network.
"""

from pathlib import Path
from typing import Any

import datasets
from expectations import Given, read_case, require, sha256
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast
from trl.data_utils import is_conversational, prepare_multimodal_messages
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }} : {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image> {% else %}{{ c['text'] }} {% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}assistant : {% endif %}"
)
PATCHES = 4  # 28 x 28 pixels in patches of 14


def make_processor(texts: list[str]) -> Any:
    """Make a processor whose tokenizer knows every word of the texts."""
    words = sorted({word for text in texts for word in text.split()})
    known = ["<pad>", "<unk>", "<image>", "user", "assistant", ":", *words]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(known))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
        patch_size=14,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
    )


def load(path: Path) -> Any:
    """The lines of docs/export.md."""
    rows = datasets.load_dataset("json", data_files=str(path), split="train")
    rows = rows.remove_columns("messages")
    rows = rows.map(lambda row: {"images": [str(path.parent / one) for one in row["images"]]})
    return rows


def check_rows(rows: Any, given: list[Given], name: str) -> None:
    require(len(rows) == len(given), f"{name} has {len(given)} rows, not {len(rows)}")
    for row, one in zip(rows, given, strict=True):
        require(is_conversational(row), f"{one.sample_id} is conversational")
        require(row["prompt"][0]["content"] == one.chat, one.sample_id)
        require(row["completion"][0]["content"] == one.response, one.sample_id)
        require([sha256(path) for path in row["images"]] == one.pictures, one.sample_id)
        content = prepare_multimodal_messages(row["prompt"], row["images"])[0]["content"]
        kinds = [part["type"] for part in content]
        require(kinds == ["image"] * len(one.pictures) + ["text"], one.sample_id)


def check_batch(processor: Any, rows: Any, given: list[Given], name: str) -> None:
    """Collate the whole split and compare slots and labels."""
    rows = rows.cast_column("images", datasets.List(datasets.Image()))
    collator = DataCollatorForVisionLanguageModeling(
        processor, max_length=None, completion_only_loss=True
    )
    for start in range(0, len(rows), 32):
        part = [dict(rows[at]) for at in range(start, min(start + 32, len(rows)))]
        batch = collator(part)
        slots = processor.tokenizer.convert_tokens_to_ids("<image>")
        for at, one in enumerate(given[start : start + 32]):
            found = int((batch["input_ids"][at] == slots).sum())
            require(found == PATCHES * len(one.pictures), f"{one.sample_id} has {found} slots")
            kept = batch["labels"][at]
            answer = processor.tokenizer.decode(kept[kept != -100])
            require(answer.split() == (one.response or "").split(), f"{one.sample_id}: {answer!r}")


def main() -> None:
    case = read_case()
    total = 0
    for name, split in case.given:
        given = case.answered(name, split)
        if not given or name == "msvd_qa":  # TRL's collator knows no clips
            continue
        rows = load(case.chat / f"{name}-{split}.jsonl")
        check_rows(rows, given, name)
        texts = [text for one in given for text in (one.chat, one.response or "")]
        check_batch(make_processor(texts), rows, given, name)
        total += len(given)
    print(f"{total} samples read and collated, pictures in their slots, labels on the responses")


if __name__ == "__main__":
    main()
