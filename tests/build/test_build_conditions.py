"""Templates with conditions in a build: a record has a sample for each that fits it."""

from collections import Counter
from pathlib import Path

from build_help import Commands, manifest

from instructify.build import Build
from instructify.recipe.sample_index import SampleIndex

POOL = """format: 1
templates:
  - {id: a, version: 1, forms: [open], instruction: "{{ question }}"}
  - {id: b, version: 1, forms: [open], instruction: "Q: {{ question }}"}
  - id: c
    version: 1
    forms: [open]
    unless_begins: {question: [is, are]}
    instruction: "In a few words: {{ question }}"
"""


def test_no_record_has_a_template_twice(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    (tmp_path / "image_qa.yaml").write_text(POOL, "utf-8")
    out = tmp_path / "build"
    line = ("convert", "vqav2", "--split", "train", "--raw", raw_root, "--out", out)
    answer = command(*line, "--pictures", "none", "--templates", tmp_path)
    assert answer.code == 0, answer.stderr
    build = Build.open(out)
    samples = list(build.samples("vqav2", "train"))
    asked = {row["record_id"]: row["question"] for row in build.records("vqav2", "train")}
    drawn = Counter((sample["record_id"], sample["template"]) for sample in samples)
    assert set(drawn.values()) == {1}
    of_record = Counter(sample["record_id"] for sample in samples)
    for record, question in asked.items():
        assert of_record[record] == (2 if question.lower().startswith(("is ", "are ")) else 3)
    assert set(of_record.values()) == {2, 3}
    split = manifest(out)["datasets"]["vqav2"]["splits"]["train"]
    assert (split["samples"], split["draws"], split["sample_rejects"]) == (len(samples), 3, {})
    index = SampleIndex.open(build, "vqav2", ["train"])
    assert index.forms["open"].num_records == len(asked)
