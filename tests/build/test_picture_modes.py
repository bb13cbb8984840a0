"""How pictures are kept is a fact of each family: asked for, as the build has it, or by default."""

import json
from pathlib import Path

import pytest
from build_help import Commands, manifest
from picture_cases import saved, scene
from web_tars import members, url, write_tar

from instructify._util.errors import UserError
from instructify._util.resources import find
from instructify.build import Build
from instructify.build.manifest import FORMAT, FamilyEntry, Manifest, PictureMode, PicturesEntry
from instructify.build.picture_modes import picture_modes
from instructify.build.raw import RawRoots
from instructify.build.request import ConvertRequest
from instructify.catalog.load import load_catalog
from instructify.pictures.keys import url_name
from instructify.templating import load_templates


def asked(pictures: PictureMode | None) -> ConvertRequest:
    catalog = load_catalog()
    return ConvertRequest(
        catalog=catalog,
        catalog_sha256="",
        datasets=(catalog.dataset("web_capfilt"), catalog.dataset("vqav2")),
        roots=RawRoots(raw=Path("raw")),
        out=Path("out"),
        templates=load_templates(find("templates"), "instruction"),
        templates_folder="built-in",
        pictures=pictures,
    )


def standing(**modes: PictureMode) -> Manifest:
    families = {name: FamilyEntry(mode=mode) for name, mode in modes.items()}
    return Manifest(
        format=FORMAT,
        instructify="0",
        catalog_sha256="",
        pictures=PicturesEntry(families=families),
        datasets={},
        candidate_sets={},
        files={},
    )


@pytest.mark.parametrize(
    ("pictures", "before", "modes"),
    [
        (None, {}, {"coco": "store", "web_capfilt": "reference"}),
        ("store", {}, {"coco": "store", "web_capfilt": "store"}),
        ("reference", {}, {"coco": "reference", "web_capfilt": "reference"}),
        ("none", {}, {"coco": "none", "web_capfilt": "none"}),
        (None, {"web_capfilt": "store"}, {"coco": "store", "web_capfilt": "store"}),
        (None, {"coco": "reference"}, {"coco": "reference", "web_capfilt": "reference"}),
        ("store", {"vg": "reference"}, {"coco": "store", "web_capfilt": "store"}),
        ("none", {"coco": "none"}, {"coco": "none", "web_capfilt": "none"}),
    ],
)
def test_the_mode_of_each_family(
    pictures: PictureMode | None, before: dict[str, PictureMode], modes: dict[str, PictureMode]
) -> None:
    assert picture_modes(asked(pictures), standing(**before)) == modes
    assert not before or picture_modes(asked(None), None)["coco"] == "store"


@pytest.mark.parametrize(
    ("pictures", "before", "said"),
    [
        ("store", {"coco": "reference"}, "--pictures reference for the pictures of coco"),
        ("reference", {"coco": "store"}, "--pictures store for the pictures of coco"),
        (None, {"coco": "none"}, "was built with --pictures none"),
        ("store", {"vg": "none"}, "was built with --pictures none"),
        (
            "none",
            {"coco": "store", "vg": "reference"},
            "built with --pictures reference, store",
        ),
    ],
)
def test_another_mode_than_the_build_has_is_refused(
    pictures: PictureMode | None, before: dict[str, PictureMode], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        picture_modes(asked(pictures), standing(**before))


def test_photographs_are_stored_and_web_pictures_referred_to(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "build"
    raw.mkdir()
    for name in ("coco", "coco_caption"):
        (raw / name).symlink_to(raw_root / name)
    pictures = [saved(scene(40, 30, number), "JPEG") for number in range(3)]
    written = [
        (name, pictures[int(name[:9])] if name.endswith(".jpg") else data)
        for name, data in members(0, 1, 2)
    ]
    write_tar(raw / "web_capfilt/webdataset/00000.tar", written)
    pairs = [{"url": url(number), "caption": f"a picture {number}"} for number in range(4)]
    (raw / "web_capfilt/ccs_synthetic_filtered.json").write_text(json.dumps(pairs))
    line = ("convert", "web_capfilt", "coco_caption", "--raw", raw, "--out", out, "--limit", 5)
    done = command(*line)
    assert done.code == 0, done.stderr
    families = manifest(out)["pictures"]["families"]
    assert families["web_capfilt"] == {"mode": "reference", "keys": 3}
    assert families["coco"]["mode"] == "store"
    store = Build.open(out).pictures()
    assert store is not None
    for number, data in enumerate(pictures):
        key = f"web_capfilt/{url_name(url(number))}"
        assert store.bytes(key) == data
        assert store.facts(key).file == "web_capfilt/webdataset/00000.tar"
    coco = next(key for row in range(len(store)) if (key := store.key_at(row)).startswith("coco/"))
    assert store.facts(coco).shard is not None
    told = command("verify", out)
    assert told.stdout.endswith("; 3 referenced pictures not looked at\n"), told.stdout
    assert "in folders outside: web_capfilt" in (out / "README.md").read_text()
    again = command(*line, "--jobs", 2)
    assert again.code == 0
    refused = command(*line, "--pictures", "store")
    assert refused.code == 2
    assert "web_capfilt" in refused.stderr


def test_an_older_build_is_refused_with_the_command_that_makes_it_anew(
    command: Commands, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1, "datasets": {"vqav2": {}, "gqa": {}}}')
    refused = command("inspect", tmp_path)
    assert refused.code == 2
    assert "format 1" in refused.stderr
    assert "`instructify convert gqa vqav2 --raw DIR --out NEW-FOLDER`" in refused.stderr
