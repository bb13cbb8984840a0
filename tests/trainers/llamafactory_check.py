"""LLaMA-Factory: its loader converts every file, its plugin counts as many slots as pictures."""

from expectations import read_case, require, sha256
from llamafactory.data.loader import _load_single_dataset
from llamafactory.data.mm_plugin import MMPluginMixin
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments, ModelArguments
from transformers import Seq2SeqTrainingArguments


def main() -> None:
    case = read_case()
    total = 0
    for name, split in case.given:
        given = case.answered(name, split)
        if not given:
            continue
        folder = str(case.chat)
        arguments = DataArguments(
            dataset=f"{name}-{split}", dataset_dir=folder, media_dir=folder, template="llava"
        )
        [told] = get_dataset_list([f"{name}-{split}"], folder)
        rows = _load_single_dataset(
            told,
            ModelArguments(model_name_or_path="none"),
            arguments,
            Seq2SeqTrainingArguments(output_dir="none"),
        )
        require(len(rows) == len(given), f"{name}/{split} has {len(given)} rows")
        plugin = MMPluginMixin(image_token="<image>", video_token="<video>", audio_token=None)
        for row, one in zip(rows, given, strict=True):
            images, videos = row["_images"] or [], row["_videos"] or []
            require([sha256(path) for path in images + videos] == one.pictures, one.sample_id)
            plugin._validate_messages(row["_prompt"] + row["_response"], images, videos, [])
            slots = ("<video>" if videos else "<image>") * len(one.pictures)
            text = f"{slots}\n{one.chat}" if slots else one.chat
            require(row["_prompt"][0]["content"] == text, one.sample_id)
            require(row["_response"][0]["content"] == one.response, one.sample_id)
        total += len(given)
    print(f"{total} samples read, a slot a picture, paths found from the folder")


if __name__ == "__main__":
    main()
