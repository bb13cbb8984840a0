"""A build, and what trains on it, says which evaluation prompts are among its templates."""

import shutil
from pathlib import Path

from build_help import Commands, manifest

from instructify._util.resources import find
from instructify.build import Build
from instructify.catalog.load import load_catalog
from instructify.protocols.read import named_protocol
from instructify.recipe.members import mix_build
from instructify.recipe.read import load_mixture
from instructify.results.table import Cell, make_table, remarks_on

ASKED_SO = ["gqa", "ivqa", "msrvtt_qa", "msvd_qa", "textvqa", "visdial", "vizwiz"]
CAPTIONS = "{coco_caption: {forms: [caption]}}"
PROMPT = """
  - id: the-evaluation-prompt
    version: 1
    forms: [open]
    trains_on_evaluation_prompt: [gqa, ivqa, msrvtt_qa, msvd_qa, textvqa, visdial, vizwiz]
    instruction: "Question: {{ question }} Short answer:"
"""


def test_the_manifest_names_them_until_other_templates_are_used(
    whole_build: Path, command: Commands, tmp_path: Path
) -> None:
    build = Path(shutil.copytree(whole_build, tmp_path / "build"))
    templates = Path(shutil.copytree(find("templates"), tmp_path / "templates"))
    with (templates / "image_qa.yaml").open("a", encoding="utf-8") as file:
        file.write(PROMPT)
    linted = command("lint", "--templates", templates)
    assert "clean" in linted.stdout
    for folder, named in ((templates, ASKED_SO), ("built-in", [])):
        answer = command("retemplate", build, "--templates", folder)
        assert answer.code == 0, answer.stderr
        for dataset, entry in manifest(build)["datasets"].items():
            for split in entry["splits"].values():
                given = named if entry["task"] == "image_qa" else []
                assert split.get("evaluation_prompts", []) == given, dataset
        for members, trained in (("{vqav2: {forms: [open]}}", list(named)), (CAPTIONS, [])):
            recipe = tmp_path / "recipe.yaml"
            recipe.write_text(f"format: 1\nmixture: {{members: {members}}}\n", "utf-8")
            mixture = load_mixture(str(recipe))
            mixed = mix_build(Build.open(build), mixture, load_catalog(), batch=2)
            assert mixed.evaluation_prompts() == trained


def _result(**model: object) -> dict[str, object]:
    return {
        "name": "vizwiz",
        "dataset": "vizwiz",
        "model": model,
        "score": {"value": 0.3},
        "complete": True,
        "protocol": named_protocol(load_catalog(), "vizwiz").value(),
    }


def test_results_mark_a_prompt_that_was_trained_on() -> None:
    other_words = ["instruction=Answer: {{ question }}"]
    changed = {"protocol": named_protocol(load_catalog(), "vizwiz", other_words).value()}
    runs = {
        "trained": [_result(evaluation_prompts=["nocaps", "vizwiz"])],
        "other": [_result(evaluation_prompts=["nocaps"])],
        "unknown": [_result()],
        "reworded": [_result(evaluation_prompts=["vizwiz"]) | changed],
    }
    table = make_table(runs)
    marked = {row.name: row.cells["vizwiz"].is_trained_prompt for row in table.rows if row.is_ours}
    assert marked == {"trained": True, "other": False, "unknown": False, "reworded": False}
    told = [one for one in remarks_on(table) if "evaluation prompt" in one]
    assert told == [
        "trained: e trained on the evaluation prompt of vizwiz, as the template files say."
    ]
    assert Cell(1.0).is_trained_prompt is False
