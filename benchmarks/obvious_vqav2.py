"""The obvious way to turn VQAv2 into instruction samples, as a baseline for ours.

json.load, a Python loop, a Jinja template per row, `Dataset.from_generator`, `save_to_disk`: what
one would write in an hour. It makes the same content: ids, picture, instruction, target, ten
references, template.

    python benchmarks/obvious_vqav2.py RAW_FOLDER OUT
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import jinja2
import yaml
from vqav2_raw import ANNOTATIONS_NAME, QUESTIONS_NAME
from xxhash import xxh3_64_intdigest


def capfirst(text: str) -> str:
    """Begin a text with a capital."""
    return text[:1].upper() + text[1:]


def sentence(text: str, mark: str = ".") -> str:
    """End a text with a mark, unless it has one."""
    return text if text.endswith((".", "!", "?")) else text + mark


def rows(folder: Path, templates_file: Path) -> Iterator[dict[str, Any]]:
    """Yield samples one by one."""
    entries = yaml.safe_load(templates_file.read_text())["templates"]
    names = [entry["id"] for entry in entries]
    sources = {entry["id"]: entry["instruction"] for entry in entries}
    environment = jinja2.Environment(loader=jinja2.DictLoader(sources))
    environment.filters.update(capfirst=capfirst, sentence=sentence)
    annotations = {
        one["question_id"]: one
        for one in json.loads((folder / ANNOTATIONS_NAME).read_text())["annotations"]
    }
    for question in json.loads((folder / QUESTIONS_NAME).read_text())["questions"]:
        annotation = annotations[question["question_id"]]
        record_id = f"vqav2/train/{question['question_id']}"
        name = names[xxh3_64_intdigest(record_id.encode()) % len(names)]
        yield {
            "sample_id": f"{record_id}#0",
            "record_id": record_id,
            "pictures": [f"coco/{question['image_id']:012d}"],
            "instruction": environment.get_template(name).render(
                question=question["question"], answer=annotation["multiple_choice_answer"]
            ),
            "response": annotation["multiple_choice_answer"],
            "references": [answer["answer"] for answer in annotation["answers"]],
            "template": name,
        }


def main(folder: Path, out: Path) -> None:
    """Write the dataset to disk."""
    datasets.disable_progress_bars()
    templates = Path(__file__).parent.parent / "templates" / "image_qa.yaml"
    dataset = datasets.Dataset.from_generator(
        rows,
        gen_kwargs={"folder": folder, "templates_file": templates},
        cache_dir=str(out / "cache"),
    )
    dataset.save_to_disk(str(out / "dataset"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
