"""Keys lead to the file that the stated order finds, and never out of the folders they may use."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify.catalog.model import Family
from instructify.pictures.keys import clean_name, split_key
from instructify.pictures.locate import Locator
from instructify.pictures.roots import Location, Roots, check_roots, load_roots, save_roots
from instructify.pictures.sources import Problem, SourceReader

FAMILIES = {
    "coco": Family(
        name="coco",
        media="image",
        folders=("coco", "coco_caption"),
        patterns=("train2014/COCO_{name}.jpg", "train2017/{name}.jpg", "{name}.jpg"),
        tars=(),
    ),
    "deep": Family(
        name="deep",
        media="image",
        folders=("deep",),
        patterns=("data/{name}", "p_{name}", "{name}"),
        tars=(),
    ),
}


def put(path: Path, data: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def locator(raw: Path, *images: Path) -> Locator:
    return Locator(families=FAMILIES, roots=Roots.resolve(raw, images))


def reason(found: Location | Problem) -> str:
    assert isinstance(found, Problem), found
    return found.reason


def test_order_of_search(tmp_path: Path) -> None:
    raw, more = tmp_path / "raw", tmp_path / "more"
    order = [
        (raw / "vqav2/train2014/COCO_1.jpg", Location("raw", "vqav2/train2014/COCO_1.jpg")),
        (raw / "vqav2/1.jpg", Location("raw", "vqav2/1.jpg")),
        (raw / "coco/train2014/COCO_1.jpg", Location("raw", "coco/train2014/COCO_1.jpg")),
        (raw / "coco/train2017/1.jpg", Location("raw", "coco/train2017/1.jpg")),
        (raw / "coco_caption/1.jpg", Location("raw", "coco_caption/1.jpg")),
        (more / "vqav2/1.jpg", Location("images0", "vqav2/1.jpg")),
        (more / "coco/1.jpg", Location("images0", "coco/1.jpg")),
        (more / "train2017/1.jpg", Location("images0", "train2017/1.jpg")),
        (more / "1.jpg", Location("images0", "1.jpg")),
    ]
    for path, _ in order:
        put(path)
    for path, location in order:
        assert locator(raw, more).find("coco/1", "vqav2") == location
        path.unlink()
    assert reason(locator(raw, more).find("coco/1", "vqav2")) == "picture-missing"


def test_another_release_does_not_see_the_folder_of_the_first(tmp_path: Path) -> None:
    put(tmp_path / "vqav2/1.jpg")
    finder = locator(tmp_path)
    assert finder.find("coco/1", "vqav2") == Location("raw", "vqav2/1.jpg")
    assert reason(finder.find("coco/1", "okvqa")) == "picture-missing"
    assert reason(finder.find("coco/1")) == "picture-missing"


def test_names_with_folders(tmp_path: Path) -> None:
    put(tmp_path / "deep/data/test/1/image.png")
    put(tmp_path / "deep/p_a/b.png")
    finder = locator(tmp_path)
    assert finder.find("deep/test/1/image.png") == Location("raw", "deep/data/test/1/image.png")
    assert finder.find("deep/./test//1/image.png") == finder.find("deep/test/1/image.png")
    assert finder.find("deep/a/b.png") == Location("raw", "deep/p_a/b.png")
    assert reason(finder.find("deep/test/1")) in ("picture-missing", "not-a-picture")


def test_a_missing_picture_says_where_was_looked(tmp_path: Path) -> None:
    found = locator(tmp_path).find("coco/77", "vqav2")
    assert isinstance(found, Problem)
    assert "COCO_77.jpg" in found.detail
    assert "coco_caption" in found.detail


def test_an_unknown_family_is_a_missing_picture(tmp_path: Path) -> None:
    assert reason(locator(tmp_path).find("nowhere/1")) == "picture-missing"
    assert reason(locator(tmp_path).find("")) == "picture-missing"


ATTACKS = [
    "../secret.png",
    "../../secret.png",
    "data/../../secret.png",
    "a/b/../../../secret.png",
    "..",
    "a/..",
    "/etc/passwd",
    "//etc/passwd",
    "/secret.png",
    "..\\secret.png",
    "a\\..\\..\\secret.png",
    "C:\\secret.png",
    "\\\\host\\share\\secret.png",
    "secret.png\0.jpg",
    "\0",
    "./../secret.png",
    ".",
    "./",
    "",
    "a/\ud800",
]
CONTAINED = [
    "~/secret.png",
    "~root/secret.png",
    "%2e%2e/secret.png",
    "..%2fsecret.png",
    "file:///secret.png",
    "http://example.org/secret.png",
    "C:/secret.png",
    "...",
    ". ./secret.png",
    "a" * 300,
    "a/" * 3_000 + "b",
    "\u2025/secret.png",
    "\uff0e\uff0e/secret.png",
    "secret.png\n",
    "{name}",
    "*",
    "$HOME/secret.png",
]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Build a raw root with a secret beside it that no name may reach."""
    put(tmp_path / "secret.png", b"secret")
    put(tmp_path / "raw/secret.png", b"secret")
    put(tmp_path / "raw/deep/data/good.png")
    return tmp_path


@pytest.mark.parametrize("name", ATTACKS, ids=repr)
def test_names_that_climb_are_refused(hostile: Path, name: str) -> None:
    assert reason(locator(hostile / "raw").find(f"deep/{name}")) == "path-outside-root"


@pytest.mark.parametrize("name", CONTAINED, ids=lambda name: repr(name[:30]))
def test_odd_names_stay_inside(hostile: Path, name: str) -> None:
    assert reason(locator(hostile / "raw").find(f"deep/{name}")) == "picture-missing"


@given(st.text(max_size=40))
def test_clean_names_never_climb(name: str) -> None:
    clean = clean_name(name)
    if clean is not None:
        inside = os.path.normpath(os.path.join("/base/folder", clean))
        assert inside.startswith("/base/folder/")
        assert clean_name(clean) == clean


@given(st.sampled_from(["a", "b_1"]), st.text(max_size=20))
def test_a_key_splits_at_its_first_slash(family: str, name: str) -> None:
    assert split_key(f"{family}/{name}") == (family, name)


def test_links_out_of_the_roots_are_refused(hostile: Path) -> None:
    data = hostile / "raw/deep/data"
    (data / "out.png").symlink_to(hostile / "secret.png")
    (data / "folder").symlink_to(hostile)
    (data / "loop").symlink_to(data / "loop")
    (data / "broken.png").symlink_to(data / "nothing")
    finder = locator(hostile / "raw")
    assert reason(finder.find("deep/out.png")) == "path-outside-root"
    assert reason(finder.find("deep/folder/secret.png")) == "path-outside-root"
    assert finder.find("deep/folder/raw/secret.png") == Location("raw", "secret.png")
    assert reason(finder.find("deep/loop")) == "picture-missing"
    assert reason(finder.find("deep/broken.png")) == "picture-missing"


def test_links_inside_the_roots_lead_to_the_real_file(hostile: Path) -> None:
    deep = hostile / "raw/deep"
    elsewhere = put(hostile / "pictures/far.png")
    (deep / "data/near.png").symlink_to(deep / "data/good.png")
    (deep / "data/far.png").symlink_to(elsewhere)
    (deep / "data/all").symlink_to(elsewhere.parent)
    finder = locator(hostile / "raw", hostile / "pictures")
    assert finder.find("deep/near.png") == Location("raw", "deep/data/good.png")
    assert finder.find("deep/far.png") == Location("images0", "far.png")
    assert finder.find("deep/all/far.png") == Location("images0", "far.png")


def test_a_root_may_be_a_link_itself(hostile: Path) -> None:
    (hostile / "linked").symlink_to(hostile / "raw")
    assert locator(hostile / "linked").find("deep/good.png") == Location(
        "raw", "deep/data/good.png"
    )


def test_a_folder_of_the_raw_root_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere/train2017/5.jpg")
    (tmp_path / "elsewhere/train2017/6.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/coco").symlink_to(tmp_path / "elsewhere")
    finder = locator(tmp_path / "raw")
    assert finder.find("coco/5") == Location("raw", "coco/train2017/5.jpg")
    assert reason(finder.find("coco/6")) == "path-outside-root"


def test_a_deeper_link_to_pictures_is_explained(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere/train2017/5.jpg")
    (tmp_path / "raw/coco").mkdir(parents=True)
    (tmp_path / "raw/coco/train2017").symlink_to(tmp_path / "elsewhere/train2017")
    found = locator(tmp_path / "raw").find("coco/5")
    assert isinstance(found, Problem)
    assert found.reason == "path-outside-root"
    assert "--images" in found.detail
    assert locator(tmp_path / "raw", tmp_path / "elsewhere").find("coco/5") == Location(
        "images0", "train2017/5.jpg"
    )


def test_only_regular_files_are_found(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = hostile / "raw/deep/data"
    os.mkfifo(data / "pipe.png")
    (data / "folder.png").mkdir()
    (data / "device.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(data)  # a socket's path may not be long
        server.bind("socket.png")
    finder = locator(hostile / "raw")
    for name in ("pipe.png", "folder.png", "socket.png"):
        assert reason(finder.find(f"deep/{name}")) == "not-a-picture"
    assert reason(finder.find("deep/device.png")) == "path-outside-root"


def test_what_changes_after_the_listing_is_not_followed(hostile: Path) -> None:
    roots = Roots.resolve(hostile / "raw")
    path = roots.raw / "deep/data/good.png"
    place = Location("raw", "deep/data/good.png")
    with SourceReader(roots) as source:
        assert source.read(place, 100) == b"picture"
        too_large = source.read(place, 3)
        assert isinstance(too_large, Problem)
        assert too_large.reason == "picture-too-large"
        path.unlink()
        gone = source.read(place, 100)
        assert isinstance(gone, Problem)
        assert gone.reason == "picture-missing"
        path.symlink_to(hostile / "secret.png")
        assert isinstance(source.read(place, 100), Problem)
        path.unlink()
        os.mkfifo(path)
        assert isinstance(source.read(place, 100), Problem)
        path.unlink()
        path.mkdir()
        assert isinstance(source.read(place, 100), Problem)


def test_roots_are_noted_beside_the_build(tmp_path: Path) -> None:
    roots = Roots.resolve(tmp_path / "raw", [tmp_path / "a", tmp_path / "b"])
    assert load_roots(tmp_path / "build") is None
    save_roots(tmp_path / "build", roots)
    assert load_roots(tmp_path / "build") == roots
    assert roots.path("images1", "x") == tmp_path / "b/x"
    with pytest.raises(UserError, match="images2"):
        roots.path("images2", "x")


def test_folders_that_a_build_refers_to_keep_their_numbers(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    build = tmp_path / "build"
    check_roots(build, Roots.resolve(tmp_path, [second]))
    save_roots(build, Roots.resolve(tmp_path, [first]))
    check_roots(build, Roots.resolve(tmp_path, [first, second]))
    for others in ([], [second], [second, first]):
        with pytest.raises(UserError, match="first; give that folder again as --images number 1"):
            check_roots(build, Roots.resolve(tmp_path, others))
    first.rmdir()
    check_roots(build, Roots.resolve(tmp_path, [second]))


WATCHED = """
import json, sys
from pathlib import Path
from instructify.catalog.model import Family
from instructify.pictures.locate import Locator
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import SourceReader

raw, secret, names = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
family = Family(name="deep", media="image", folders=("deep",), patterns=("data/{name}",), tars=())
roots = Roots.resolve(raw)
locator = Locator(families={"deep": family}, roots=roots)
with SourceReader(roots) as source:
    for name in names:
        place = locator.find("deep/" + name)
        if isinstance(place, Location):
            source.read(place, 100)
assert any("good.png" in path for path in opened), opened
assert not any(secret in path for path in opened), opened
"""


def test_the_secret_is_never_opened(hostile: Path) -> None:
    """Watch every file that a process opens while it follows all attacks and links."""
    data = hostile / "raw/deep/data"
    (data / "out.png").symlink_to(hostile / "secret.png")
    (data / "folder").symlink_to(hostile)
    (hostile / "raw/secret.png").unlink()
    names = [*ATTACKS, *CONTAINED, "out.png", "folder/secret.png", "good.png"]
    arguments = [str(hostile / "raw"), "secret.png", json.dumps(names)]
    subprocess.run([sys.executable, "-c", WATCHED, *arguments], check=True, timeout=60)


@pytest.mark.parametrize(
    ("there", "named", "told"),
    [
        ("Oak.jpg", "oak", "Oak.jpg differs by upper and lower case"),
        ("oak.JPG", "oak", "oak.JPG differs by upper and lower case"),
        ("Cafe\u0301.jpg", "Caf\u00e9", "in another Unicode form"),
        ("Caf\u00e9.jpg", "Cafe\u0301", "in another Unicode form"),
        ("CAFE\u0301.jpg", "caf\u00e9", "differs by upper and lower case"),
    ],
)
def test_a_missing_picture_names_the_file_that_is_nearly_it(
    tmp_path: Path, there: str, named: str, told: str
) -> None:
    put(tmp_path / "coco" / there)
    found = locator(tmp_path).find(f"coco/{named}", "coco_caption")
    assert reason(found) == "picture-missing"
    assert told in found.detail  # type: ignore[union-attr]
    apart = locator(tmp_path).find("coco/elm", "coco_caption")
    assert reason(apart) == "picture-missing"
    assert "differs" not in apart.detail  # type: ignore[union-attr]


def test_a_file_that_is_nearly_another_is_never_taken_for_it(tmp_path: Path) -> None:
    put(tmp_path / "coco" / "Oak.jpg", b"another picture")
    put(tmp_path / "coco" / "oak.jpg")
    assert locator(tmp_path).find("coco/oak", "coco_caption") == Location("raw", "coco/oak.jpg")
    assert locator(tmp_path).find("coco/Oak", "coco_caption") == Location("raw", "coco/Oak.jpg")
