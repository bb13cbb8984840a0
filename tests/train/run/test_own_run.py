"""A user's own datasets trained on together, chosen by, evaluated and shown, without a recipe."""

import json
from pathlib import Path

import pytest
from build_help import Commands
from run_help import evaluate, log, recipe_file, train

from instructify.templating import TemplateFolders

ALL = """
format: 1
mixture: all
model: {name: tiny-llama}
data: {batch: 8, window: 2, workers: 0}
optimizer: {lr: 1.0e-3, warmup_from: 0.0, warmup_steps: 2, clip: 1.0}
run:
  steps: 2
  device_batch: 4
  device: cpu
  validate_every: 2
  validation_samples: 12
  save_every: 2
  tensorboard: false
  best_by: [shapes, kinds]
"""
QUICK = ("decode.max_new_tokens=6", "decode.min_new_tokens=1")


@pytest.fixture(name="run", scope="module")
def _run(own_raw: Path, own_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own-run")
    recipe = recipe_file(folder, ALL)
    done = train(own_build, folder / "run", recipe=recipe, catalog_file=own_raw / "mine.yaml")
    assert done.code == 0, done.stderr
    return folder / "run"


def test_a_run_on_all_is_chosen_by_own_protocols(run: Path) -> None:
    scored = [line["scores"] for line in log(run) if "scores" in line]
    assert scored
    assert all(one.keys() == {"shapes", "kinds"} for one in scored)
    assert json.loads((run / "run.json").read_text())["trained_on"]["evaluation_prompts"] == []


def test_own_sets_are_evaluated_at_once_and_shown(
    run: Path, own_raw: Path, own_build: Path, tmp_path: Path, command: Commands
) -> None:
    names, out = ("shapes", "quiz", "claims", "kinds", "words"), tmp_path / "out"
    own = own_raw / "mine.yaml"
    done = evaluate(run, own_build, out, *names, settings=QUICK, limit=6, catalog_file=own)
    assert done.code == 0, done.stderr
    results = {name: json.loads((out / name / "result.json").read_text()) for name in names}
    assert all(one["asked"] == 6 and one["score"] is not None for one in results.values())
    assert results["words"]["score"]["metric"] == "cider"
    shown = command("results", out).stdout
    for name in names:
        assert name in shown
    files = ("--predictions", out / "quiz/predictions.jsonl", "--references")
    again = command(
        "score", "quiz", *files, out / "quiz/references.jsonl", "--json", "--catalog", own
    ).json()
    assert again["value"] == results["quiz"]["score"]["value"]


def test_a_held_out_own_set_chooses_no_checkpoint(
    own_raw: Path, own_build: Path, tmp_path: Path
) -> None:
    from instructify._util.errors import UserError

    recipe = recipe_file(tmp_path, ALL.replace("[shapes, kinds]", "[quiz]"))
    with pytest.raises(UserError, match="names 'quiz': it is a protocol of a dataset which is hel"):
        train(own_build, tmp_path / "run", recipe=recipe, catalog_file=own_raw / "mine.yaml")


def test_added_protocols_are_asked_too(
    run: Path, own_raw: Path, own_build: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine" / "protocols"
    folder.mkdir(parents=True)
    (folder / "shapes.yaml").write_text(
        "format: 1\ndataset: shapes\nprotocols:\n- {id: default, version: 1, split: train, "
        "form: open, instruction: 'MINE {{ question }}', decode: {method: generate, beams: 1}, "
        "score: official, sources: {split: ours, instruction: ours, decode: ours, score: ours}}\n"
    )
    done = evaluate(
        *(run, own_build, tmp_path / "out", "shapes"),
        settings=QUICK[:1],
        limit=2,
        templates=TemplateFolders.of(added=[tmp_path / "mine"]),
        catalog_file=own_raw / "mine.yaml",
    )
    assert done.code == 0, done.stderr
    lines = (tmp_path / "out/shapes/predictions.jsonl").read_text().splitlines()
    assert all(json.loads(line)["instruction"].startswith("MINE ") for line in lines)
