"""A raw file that lies there packed, elsewhere or in another form is read or pointed at."""

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from instructify._util.errors import UserError
from instructify.build.other_forms import forms_at_hand
from instructify.build.raw import RawRoots, find_split, look_for_files
from instructify.catalog.load import load_catalog

CATALOG = load_catalog()
ANNOTATIONS = "v2_mscoco_val2014_annotations.json"
QUESTIONS = "v2_OpenEnded_mscoco_val2014_questions.json"


def phrases(raw: Path, name: str, split: str) -> list[str]:
    dataset = CATALOG.dataset(name)
    looked = look_for_files(dataset, dataset.split(split), RawRoots(raw=raw))
    return forms_at_hand(CATALOG, dataset, looked.missing, raw)


def put(path: Path, content: bytes = b"{}") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def zipped(path: Path, *members: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "{}")


def an_official_zip(raw: Path) -> str:
    zipped(raw / "vqav2" / "v2_Annotations_Val_mscoco.zip", ANNOTATIONS)
    return f"found vqav2/v2_Annotations_Val_mscoco.zip, which holds {ANNOTATIONS}; unpack it there"


def a_zip_in_the_raw_root(raw: Path) -> str:
    zipped(raw / "anything.zip", f"a/folder/{ANNOTATIONS}", "other.json")
    return f"found anything.zip, which holds {ANNOTATIONS}; unpack it there"


def a_zip_that_is_cut(raw: Path) -> str:
    zipped(raw / "vqav2" / "v2_Annotations_Val_mscoco.zip", ANNOTATIONS)
    path = raw / "vqav2" / "v2_Annotations_Val_mscoco.zip"
    path.write_bytes(path.read_bytes()[:-40])
    return (
        "found vqav2/v2_Annotations_Val_mscoco.zip, which is no whole zip archive; fetch it again"
    )


def another_case(raw: Path) -> str:
    put(raw / "vqav2" / ANNOTATIONS.upper())
    return (
        f"found vqav2/{ANNOTATIONS.upper()}; it is looked for as vqav2/{ANNOTATIONS}, "
        "rename or move it"
    )


def another_folder(raw: Path) -> str:
    put(raw / "vqav2" / "Annotations" / ANNOTATIONS)
    return (
        f"found vqav2/Annotations/{ANNOTATIONS}; it is looked for as vqav2/{ANNOTATIONS}, "
        "rename or move it"
    )


def packed_in_another_folder(raw: Path) -> str:
    put(raw / "vqav2" / "data" / f"{ANNOTATIONS}.gz")
    return (
        f"found vqav2/data/{ANNOTATIONS}.gz; it is looked for as vqav2/{ANNOTATIONS}.gz, "
        "rename or move it"
    )


def a_hub_copy(raw: Path) -> str:
    put(raw / "vqav2" / "data" / "validation-00000-of-00002.parquet")
    return "found vqav2/data/validation-00000-of-00002.parquet, a copy of the Hub in Parquet"


def a_file_of_lavis(raw: Path) -> str:
    put(raw / "vqav2" / "annotations" / "vqa_train.json")
    return "found vqav2/annotations/vqa_train.json, a file of LAVIS in a form of its own"


FORMS: list[Callable[[Path], str]] = [
    an_official_zip,
    a_zip_in_the_raw_root,
    a_zip_that_is_cut,
    another_case,
    another_folder,
    packed_in_another_folder,
    a_hub_copy,
    a_file_of_lavis,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_form_at_hand_is_pointed_at(form: Callable[[Path], str], tmp_path: Path) -> None:
    put(tmp_path / "vqav2" / QUESTIONS)
    said = form(tmp_path)
    (phrase,) = phrases(tmp_path, "vqav2", "val")
    assert phrase.startswith(said)
    dataset = CATALOG.dataset("vqav2")
    with pytest.raises(UserError) as error:
        find_split(CATALOG, dataset, dataset.split("val"), RawRoots(raw=tmp_path))
    assert f"{ANNOTATIONS} expected in {tmp_path / 'vqav2'}; {phrase}. How to get it" in str(
        error.value
    )


def test_a_tar_of_the_release_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "aokvqa").mkdir()
    with tarfile.open(tmp_path / "aokvqa" / "aokvqa_v1p0.tar.gz", "w:gz"):
        pass
    assert phrases(tmp_path, "aokvqa", "val") == [
        "found aokvqa/aokvqa_v1p0.tar.gz; unpack it there"
    ]


def test_nothing_is_said_of_other_files(tmp_path: Path) -> None:
    put(tmp_path / "vqav2" / "notes.json")
    zipped(tmp_path / "vqav2" / "train2014.zip", "COCO_train2014_000000000009.jpg")
    put(tmp_path / "msvd_qa" / "test_qa.json")
    put(tmp_path / "other.zip", b"no zip")
    assert phrases(tmp_path, "vqav2", "val") == []
    assert phrases(tmp_path, "msrvtt_qa", "test") == []
    assert phrases(tmp_path / "none", "vqav2", "val") == []


@pytest.mark.parametrize(
    ("name", "split", "role", "place"),
    [
        ("aokvqa", "val", "questions", "aokvqa/aokvqa_v1p0/aokvqa_v1p0_val.json"),
        ("gqa", "testdev", "questions", "gqa/questions1.2/testdev_balanced_questions.json"),
        ("coco_caption", "val", "captions", "coco/annotations/captions_val2014.json"),
        ("vqav2", "test", "questions", "vqav2/v2_OpenEnded_mscoco_test2015_questions.json.gz"),
        ("vsr", "test", "data", "vsr/data/splits/zeroshot/test.jsonl.zst"),
        ("ivqa", "test", "questions", "ivqa/iVQA/test.csv.bz2"),
    ],
)
def test_a_usual_place_is_read(
    name: str, split: str, role: str, place: str, tmp_path: Path
) -> None:
    put(tmp_path / place)
    dataset = CATALOG.dataset(name)
    looked = look_for_files(dataset, dataset.split(split), RawRoots(raw=tmp_path))
    assert looked.missing == []
    assert looked.files[role].name == place


def test_the_plain_file_comes_before_its_packed_copy(tmp_path: Path) -> None:
    for suffix in ("", ".gz"):
        put(tmp_path / "vqav2" / f"{QUESTIONS}{suffix}", gzip.compress(b"{}"))
    dataset = CATALOG.dataset("vqav2")
    looked = look_for_files(dataset, dataset.split("val"), RawRoots(raw=tmp_path))
    assert looked.files["questions"].name == f"vqav2/{QUESTIONS}"


def test_a_walk_is_bounded(tmp_path: Path) -> None:
    deep = tmp_path / "vqav2" / "a" / "b" / "c" / "d"
    put(deep / ANNOTATIONS)
    assert phrases(tmp_path, "vqav2", "val") == []
    (tmp_path / "vqav2" / "loop").symlink_to(tmp_path / "vqav2")
    assert phrases(tmp_path, "vqav2", "val") == []
