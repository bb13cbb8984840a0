"""Conversations as LLaVA, ShareGPT, OpenAI, LLaMA-Factory and TRL write them."""

import base64
from pathlib import Path

from shape_files import (
    ANSWERS,
    QUESTION,
    Said,
    dump,
    dump_lines,
    photos,
    picture,
    said,
    shape,
)


@shape
def llava_json(folder: Path) -> list[Said]:
    photos(folder / "images")
    turns = [
        {"from": "human", "value": f"<image>\n{QUESTION}"},
        {"from": "gpt", "value": "It is red."},
        {"from": "human", "value": "Is it large?"},
        {"from": "gpt", "value": "No."},
    ]
    dump(folder / "chat.json", [{"id": "a", "image": "0.jpg", "conversations": turns}])
    return [(QUESTION, "It is red."), ("Is it large?", "No.")]


@shape
def llava_two_pictures(folder: Path) -> list[Said]:
    photos(folder / "images")
    item = {
        "id": "a",
        "image": ["0.jpg", "1.jpg"],
        "conversations": [
            {"from": "human", "value": "<image>\n<image>\nWhat differs?"},
            {"from": "gpt", "value": "The colour."},
        ],
    }
    text = {"id": "b", "conversations": [{"from": "human", "value": "Two and two?"}]}
    text["conversations"] = [*text["conversations"], {"from": "gpt", "value": "Four."}]
    dump_lines(folder / "chat.jsonl", [item, text])
    return [("What differs?", "The colour.", "2"), ("Two and two?", "Four.", "0")]


@shape
def sharegpt(folder: Path) -> list[Said]:
    """The form that LLaMA-Factory calls sharegpt, with a list of pictures and a system text."""
    photos(folder / "images")
    rows = [
        {
            "conversations": [
                {"from": "human", "value": f"<image>{QUESTION}"},
                {"from": "gpt", "value": answer},
            ],
            "system": "Answer in one word.",
            "images": [f"images/{number}.jpg"],
        }
        for number, answer in enumerate(ANSWERS)
    ]
    dump(folder / "data.json", rows)
    return said(f"Answer in one word.\n{QUESTION}")


@shape
def openai_messages(folder: Path) -> list[Said]:
    """Parts of text and image, the image as a data URL, as the API takes them."""
    rows = []
    for number, answer in enumerate(ANSWERS):
        url = "data:image/png;base64," + base64.b64encode(picture(number, "PNG")).decode()
        parts = [
            {"type": "text", "text": QUESTION},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        user = {"role": "user", "content": parts}
        rows.append({"messages": [user, {"role": "assistant", "content": answer}]})
    dump_lines(folder / "messages.jsonl", rows)
    return said()


@shape
def llama_factory_mllm(folder: Path) -> list[Said]:
    """LLaMA-Factory's multimodal demo: `messages` whose text holds the marks, and `images`."""
    photos(folder / "demo")
    messages = [
        {"content": "<image>Who is there?", "role": "user"},
        {"content": "Somebody in red.", "role": "assistant"},
        {"content": "<image>And here?", "role": "user"},
        {"content": "Somebody in green.", "role": "assistant"},
    ]
    row = {"messages": messages, "images": ["demo/0.jpg", "demo/1.jpg"]}
    dump(folder / "mllm_demo.json", [row])
    return [("Who is there?", "Somebody in red.", "1"), ("And here?", "Somebody in green.", "2")]


@shape
def llama_factory_alpaca(folder: Path) -> list[Said]:
    photos(folder)
    rows = [
        {
            "instruction": QUESTION,
            "input": "",
            "output": answer,
            "history": [["Is it a picture?", "Yes."]],
            "images": [f"{number}.jpg"],
        }
        for number, answer in enumerate(ANSWERS)
    ]
    dump(folder / "alpaca.json", rows)
    return said()


@shape
def trl_prompt_completion(folder: Path) -> list[Said]:
    """What TRL trains on: `prompt` and `completion`, with the pictures in a column of images."""
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    part = {"type": Value("string"), "text": Value("string")}
    message = {"role": Value("string"), "content": [part]}
    features = Features({"prompt": [message], "completion": [message], "images": [ImageFeature()]})
    rows = [
        {
            "prompt": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "text": None},
                        {"type": "text", "text": QUESTION},
                    ],
                }
            ],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
            "images": [{"bytes": picture(number), "path": None}],
        }
        for number, answer in enumerate(ANSWERS)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")
    return said()


@shape
def cauldron(folder: Path) -> list[Said]:
    """Pairs of user and assistant beside a list of pictures, in Parquet."""
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    pair = {"user": Value("string"), "assistant": Value("string"), "source": Value("string")}
    features = Features({"images": [ImageFeature()], "texts": [pair]})
    rows = [
        {
            "images": [{"bytes": picture(0), "path": None}],
            "texts": [
                {"user": QUESTION, "assistant": "Red.", "source": "x"},
                {"user": "Sure?", "assistant": "Yes.", "source": "x"},
            ],
        }
    ]
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(folder / "train-0.parquet")
    return [(QUESTION, "Red."), ("Sure?", "Yes.")]
