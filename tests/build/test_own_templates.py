"""The user's own templates: instead of ours, beside ours, of one dataset, and never undone."""

import shutil
from pathlib import Path

import pytest
from build_help import Commands, difference, is_sentence, ledger, manifest, stamps, tree

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.lint import lint
from instructify.templating import TemplateFolders, template_options

OURS = find("templates")
MINE = """
format: 1
{of}
templates:
  - {{id: {id}, version: 1, forms: [open, multiple_choice], instruction: "MINE {{{{ question }}}}"}}
"""


def folder_of(path: Path, name: str, template: str = "mine", *, of: str = "") -> Path:
    """Write a folder with one file of one template."""
    path.mkdir(exist_ok=True)
    (path / f"{name}.yaml").write_text(MINE.format(of=of, id=template), "utf-8")
    return path


@pytest.fixture(name="build")
def _build(own_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(own_build, tmp_path / "build"))


def templates_in(build: Path, name: str, split: str = "train") -> set[str]:
    """Which templates the samples of a split were rendered by."""
    return set(Build.open(build).samples(name, split).select(["template"])["template"].to_pylist())


def test_added_templates_are_drawn_beside_ours(
    build: Path, tmp_path: Path, command: Commands
) -> None:
    mine = folder_of(tmp_path / "mine", "image_qa")
    answer = command("retemplate", build, "shapes", "--add-templates", mine, "--draws", 50)
    assert answer.code == 0, answer.stderr
    drawn = templates_in(build, "shapes")
    assert "image_qa/mine@1" in drawn
    assert len(drawn) > 5, "ours are drawn too"
    split = manifest(build)["datasets"]["shapes"]["splits"]["train"]
    assert split["templates_folder"] == "built-in + mine"
    again = command("retemplate", build, "shapes")
    assert again.code == 2
    assert "--add-templates mine" in again.stderr


def test_a_pool_of_one_dataset_is_that_of_no_other(
    build: Path, tmp_path: Path, command: Commands
) -> None:
    """Instead of the task's for its dataset; another dataset keeps those of its task."""
    mine = folder_of(tmp_path / "mine", "shapes", of="dataset: shapes")
    answer = command("retemplate", build, "shapes", "quiz", "--add-templates", mine)
    assert answer.code == 0, answer.stderr
    assert templates_in(build, "shapes") == {"shapes/mine@1"}
    others = templates_in(build, "quiz")
    assert others
    assert all(name.startswith("knowledge_qa/") for name in others)
    first = Build.open(build).sample("shapes/train/0#0")
    assert first["instruction"] == "MINE Which shape is number 0?"


def test_a_pool_that_lacks_a_form_names_its_file(
    build: Path, tmp_path: Path, command: Commands
) -> None:
    mine = folder_of(tmp_path / "mine", "claims", of="dataset: claims")
    answer = command("retemplate", build, "claims", "--add-templates", mine)
    assert answer.code == 2
    assert is_sentence(answer)
    assert "add one to claims.yaml" in answer.stderr


def test_explain_takes_added_templates_and_names_them(
    build: Path, own_raw: Path, tmp_path: Path, command: Commands
) -> None:
    mine = folder_of(tmp_path / "mine", "shapes", of="dataset: shapes")
    assert command("retemplate", build, "shapes", "--add-templates", mine).code == 0
    sample = ("explain", build, "shapes/train/0#0", "--catalog", own_raw / "mine.yaml")
    assert command(*sample, "--add-templates", mine).code == 0
    without = command(*sample)
    assert without.code == 1
    assert "was rendered with --add-templates mine" in " ".join(without.stdout.split())


def test_lint_judges_what_joins(own_raw: Path, tmp_path: Path) -> None:
    catalog = load_catalog(extra=own_raw / "mine.yaml")
    base = folder_of(tmp_path / "base", "image_qa")
    mine = folder_of(tmp_path / "mine", "shapes", of="dataset: shapes")
    report = lint(base, catalog, None, added=[mine])
    assert (report.num_files, report.num_templates, report.num_errors) == (2, 2, 0)
    assert not [one for one in report.findings if "duplicate" in one.kind], "pools of their own"
    assert [one.kind for one in lint(base, load_catalog(), None, added=[mine]).findings] == [
        "never-drawn"
    ]
    folder_of(mine, "image_qa", of="task: image_qa")
    path = mine / "image_qa.yaml"
    assert lint(base, catalog, None, added=[mine]).num_errors == 0, "the same template once"
    path.write_text(path.read_text().replace("MINE", "Say of this picture"))
    (wrong,) = [
        one for one in lint(base, catalog, None, added=[mine]).findings if one.severity == "error"
    ]
    assert "has another template of this id" in wrong.what


@pytest.mark.parametrize(
    ("name", "of", "template", "said"),
    [
        ("image_qa", "", "question-first", None),
        ("shapes", "dataset: shapes", "mine", None),
        ("shapes", "dataset: quiz", "mine", "belongs into a file of that name"),
        ("shapes", "dataset: shapes\ntask: image_qa", "mine", "give 'task' or 'dataset'"),
    ],
)
def test_conflicts_of_names_are_said(
    tmp_path: Path, name: str, of: str, template: str, said: str | None
) -> None:
    """The same id in both: refused with both folders, unless it is the same template."""
    mine = folder_of(tmp_path / "mine", name, template, of=of)
    if said is not None:
        with pytest.raises(UserError, match=said):
            TemplateFolders.of(added=[mine]).load()
        return
    loaded = TemplateFolders.of(added=[mine]).load()
    assert [one for one in loaded.templates if one.id == template]
    second = folder_of(tmp_path / "second", name, template, of=of)
    path = second / f"{name}.yaml"
    assert TemplateFolders.of(added=[mine, second]).load().templates == loaded.templates
    path.write_text(path.read_text().replace("MINE", "OTHER"))
    with pytest.raises(UserError, match=r"mine and .*second both have a template"):
        TemplateFolders.of(added=[mine, second]).load()


def test_a_copy_of_ours_joins_with_what_it_has_more(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(OURS, tmp_path / "copy"))
    ours = TemplateFolders.of()
    assert TemplateFolders.of(added=[copy]).load().templates == ours.load().templates
    path = copy / "image_qa.yaml"
    path.write_text(path.read_text().replace("Question", "Query"))
    with pytest.raises(UserError, match="take its folder by --templates"):
        TemplateFolders.of(added=[copy]).load()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for options in ({"templates": tmp_path / "no"}, {"added": [tmp_path / "no"]}):
        with pytest.raises(UserError, match="is no folder of templates"):
            TemplateFolders.of(**options)


def test_labels_say_how_to_take_them_again() -> None:
    assert template_options("mine") == "--templates mine"
    assert template_options("built-in + a + b") == "--add-templates a --add-templates b"
    assert template_options("mine + a") == "--templates mine --add-templates a"


def test_a_conversion_does_not_undo_own_templates(
    build: Path, own_raw: Path, tmp_path: Path, command: Commands
) -> None:
    mine = folder_of(tmp_path / "mine", "image_qa")
    assert command("retemplate", build, "shapes", "--templates", mine).code == 0
    before = stamps(build)
    own = ("--catalog", own_raw / "mine.yaml", "--raw", own_raw, "--out", build, "--draws", 2)
    answer = command("convert", "shapes", *own)
    assert answer.code == 2
    assert is_sentence(answer)
    assert "give `--templates mine`" in answer.stderr
    assert "--templates built-in" in answer.stderr
    assert command("convert", "shapes", "quiz", *own, "--split", "train").code == 2
    assert stamps(build) == before
    assert command("convert", "quiz", *own).code == 0, "another dataset is not concerned"
    back = command("convert", "shapes", *own, "--templates", "built-in")
    assert back.code == 0, back.stderr


def test_a_conversion_keeps_the_kind_of_prompts_and_says_so(
    build: Path, own_raw: Path, command: Commands
) -> None:
    """Plain prompts became instructions without a word."""
    assert command("retemplate", build, "shapes", "--prompts", "plain").code == 0
    before = tree(build)
    own = ("--catalog", own_raw / "mine.yaml", "--raw", own_raw, "--out", build, "--draws", 2)
    answer = command("convert", "shapes", *own)
    assert answer.code == 0
    assert "the prompts stay plain ones" in answer.stderr
    assert difference(before, tree(build)) == []
    both = command("convert", "shapes", "quiz", *own)
    assert both.code == 2
    assert "choose one for all with --prompts" in both.stderr
    assert command("convert", "shapes", *own, "--prompts", "instruction").code == 0
    assert ledger(build, "shapes") == []


def test_a_pool_of_no_dataset_is_said(own_raw: Path, tmp_path: Path, command: Commands) -> None:
    mine = folder_of(tmp_path / "mine", "shape", of="dataset: shape")
    answer = command(
        *("convert", "shapes", "--catalog", own_raw / "mine.yaml", "--raw", own_raw),
        *("--out", tmp_path / "out", "--add-templates", mine),
    )
    assert answer.code == 0
    assert "shape.yaml" in answer.stderr
    assert "did you mean 'shapes'" in answer.stderr
