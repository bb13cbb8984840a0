"""Held-out releases become records: each quirk of a release, on a tiny release of our own."""

import hashlib
import json
from pathlib import Path

import pytest
from heldout_cases import (
    CASES,
    FLICKR30K,
    FLICKR30K_TOKENS,
    GQA,
    HATEFUL_MEMES,
    ICONQA,
    IVQA,
    MSRVTT_QA,
    MSVD_QA,
    NOCAPS,
    SCIENCEQA,
    TEXTVQA,
    VISDIAL,
    VIZWIZ,
    VSR,
    Case,
)

from instructify.catalog.load import load_catalog
from instructify.readers import READERS
from instructify.readers.base import Option


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reader}-{case.split}")
def test_a_whole_release_gives_no_rejects(case: Case, tmp_path: Path) -> None:
    outcome = case.run(tmp_path)
    assert outcome.rejects == []
    assert len(outcome.records) == case.num_records
    assert case.run(tmp_path) == outcome


def test_output_changes_only_with_the_version(tmp_path: Path) -> None:
    """Where this fails on purpose: raise the reader's version, then write the new hash down."""
    hashes = {}
    for case in CASES:
        # Only own data have fields, so the golden hashes do without them.
        rows = [
            {column: value for column, value in row.items() if column != "fields"}
            for row in case.run(tmp_path).records
        ]
        records = json.dumps(rows, sort_keys=True).encode()
        key = f"{READERS[case.reader].key} {case.split}"
        hashes[key] = hashlib.sha256(records).hexdigest()[:16]
    golden = Path(__file__).parents[1] / "golden" / "readers_heldout.json"
    assert hashes == json.loads(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reader}-{case.split}")
def test_records_fit_the_catalog(case: Case, tmp_path: Path) -> None:
    dataset = load_catalog().dataset(case.reader)
    reader = READERS[dataset.reader]
    assert dataset.options.keys() == reader.options.keys() == case.options.keys()
    for name, option in reader.options.items():
        assert _allows(option, dataset.options[name])
    split = dataset.split(case.split)
    assert case.files.keys() <= {file.role for file in split.files}
    for record in case.run(tmp_path).records:
        assert record["form"] in dataset.forms
        for picture in record["pictures"]:
            assert picture.split("/")[0] in dataset.families


def _allows(option: Option, value: object) -> bool:
    return value in option.choices if option.kind == "choice" else isinstance(value, int)


def test_nocaps_counts_pictures_from_zero_and_needs_no_domain(tmp_path: Path) -> None:
    first, second = NOCAPS.run(tmp_path).records
    assert first["record_id"] == "nocaps/val/0"
    assert first["pictures"] == ["openimages/00aa"]
    assert (first["references"], first["answer"]) == (["A cube."], None)
    assert (first["subset"], second["subset"]) == ("in-domain", None)
    assert second["pictures"] == ["openimages/00bb"]
    assert second["references"] == ["Two red balls", "balls"]


def test_nocaps_test_has_no_captions(tmp_path: Path) -> None:
    info = {"images": [{"id": 4500, "file_name": "00cc.jpg"}]}
    record = NOCAPS.run_with({"captions": info}, tmp_path, "test").only()
    assert (record["record_id"], record["references"]) == ("nocaps/test/4500", None)


def test_flickr30k_trains_on_captions_and_tests_on_pictures(tmp_path: Path) -> None:
    tested = FLICKR30K.run(tmp_path).only()
    assert tested["record_id"] == "flickr30k/test/1000"
    assert tested["pictures"] == ["flickr/1000"]
    assert tested["references"] == ["A cube &amp; a test ball .", "Two things#1"]
    trained = FLICKR30K.run(tmp_path, "train").records
    assert [one["record_id"] for one in trained] == [
        "flickr30k/train/1000-0",
        "flickr30k/train/1000-1",
    ]
    assert [one["answer"] for one in trained] == ["A cube &amp; a train ball .", "Two things#1"]
    assert trained[0]["position"] == trained[1]["position"] == 0


def test_flickr30k_reads_the_files_of_lavis(tmp_path: Path) -> None:
    trained = FLICKR30K.run(tmp_path, "train", split_source="lavis").records
    assert [(one["record_id"], one["answer"]) for one in trained] == [
        ("flickr30k/train/2000-0", "One cube."),
        ("flickr30k/train/2000-1", "A cube."),
        ("flickr30k/train/2000-2", "A third caption."),
    ]
    without_karpathy = FLICKR30K.run_with({"karpathy": None}, tmp_path)
    assert [one["source"] for one in without_karpathy.records] == ["lavis.json"] * 2


def test_flickr30k_token_lines_split_at_the_first_tab_or_blank(tmp_path: Path) -> None:
    cube, ball = FLICKR30K_TOKENS.run(tmp_path).records
    assert cube["references"] == ["A cube with a #1 on it .", "The cube ."]
    assert (cube["position"], ball["position"]) == (0, 1)


def test_vizwiz_reads_both_namings_and_spoken_questions(tmp_path: Path) -> None:
    old, new, unlabelled = VIZWIZ.run(tmp_path).records
    assert old["record_id"] == "vizwiz/val/VizWiz_val_000000028000.jpg"
    assert old["pictures"] == ["vizwiz/VizWiz_val_000000028000.jpg"]
    assert old["question"] == "Hello. What is this"
    assert (old["answer"], old["answer_choice"], len(old["references"])) == ("cube", 0, 5)
    assert (new["answer"], new["references"], new["subset"]) == ("cube", ["cube", ""], "other")
    assert unlabelled["answer"] is unlabelled["references"] is unlabelled["answer_choice"] is None


def test_vizwiz_drops_what_the_answers_call_unanswerable(tmp_path: Path) -> None:
    kept = VIZWIZ.run(tmp_path, unanswerable="drop")
    assert [one["question"] for one in kept.records] == ["Which toy?", "Which color?"]
    assert kept.rejects == []


def test_weighted_targets_follow_the_counts(tmp_path: Path) -> None:
    answers = [{"answer": "rare"}] + [{"answer": "often"}] * 9
    rows = [
        {"image": f"VizWiz_val_{number:08d}.jpg", "question": "q", "answers": answers}
        for number in range(400)
    ]
    records = VIZWIZ.run_with({"questions": rows}, tmp_path, target="weighted").records
    assert 20 <= sum(one["answer"] == "rare" for one in records) <= 65


def test_gqa_ids_keep_zeros_and_letters(tmp_path: Path) -> None:
    first, second = GQA.run(tmp_path).records
    assert first["record_id"] == "gqa/testdev/00101"
    assert (first["pictures"], second["pictures"]) == (["vg/2356112"], ["gqa/n161313"])
    assert (first["answer"], first["subset"]) == ("red", "query")
    assert second["record_id"] == "gqa/testdev/101"
    assert second["answer"] is second["references"] is None


def test_vsr_statements_are_answered_by_yes_or_no(tmp_path: Path) -> None:
    true, false = VSR.run(tmp_path).records
    assert (true["record_id"], true["answer"]) == ("vsr/test/zeroshot-0", "yes")
    assert (false["record_id"], false["answer"]) == ("vsr/test/zeroshot-1", "no")
    assert true["question"] == "The cube is left of the ball."
    assert true["pictures"] == ["coco/000000239417"]
    other = VSR.run(tmp_path, variant="random").records[0]
    assert other["record_id"] == "vsr/test/random-0"


def test_iconqa_has_choices_of_texts_of_pictures_and_blanks(tmp_path: Path) -> None:
    text, picture, blank = ICONQA.run(tmp_path).records
    assert (text["choices"], text["choice_index"]) == (["cube", "ball", "cone"], 1)
    assert (text["answer"], text["pictures"]) == ("ball", ["iconqa/test/choose_txt/5/image.png"])
    assert picture["record_id"] == "iconqa/test/007"
    assert picture["pictures"] == [
        "iconqa/test/choose_img/007/image.png",
        "iconqa/test/choose_img/007/choice_0.png",
        "iconqa/test/choose_img/007/choice_1.png",
    ]
    assert (picture["choices"], picture["answer"]) == (["picture 1", "picture 2"], "picture 1")
    assert (blank["form"], blank["answer"], blank["choices"]) == ("open", "1,364", None)
    assert (blank["context"], blank["subset"]) == ("Count.", "fill_in_blank")
    assert ICONQA.run(tmp_path, kind="choose_txt").only() == text


def test_scienceqa_takes_pictures_by_the_own_split_of_a_problem(tmp_path: Path) -> None:
    without, with_picture = SCIENCEQA.run(tmp_path).records
    assert (without["pictures"], without["context"]) == ([], None)
    assert without["question"] == "Is it true?\nThe cube is round."
    assert with_picture["pictures"] == ["scienceqa/test/27/image.png"]
    assert with_picture["context"] == "Look\nclosely."
    assert with_picture["choice_index"] == 1
    assert SCIENCEQA.run(tmp_path, pictures="only").only() == with_picture
    small = SCIENCEQA.run(tmp_path, "minitest").only()
    assert small["record_id"] == "scienceqa/minitest/27"
    assert small["pictures"] == ["scienceqa/test/27/image.png"]


def test_textvqa_joins_tokens_and_keeps_sentinels(tmp_path: Path) -> None:
    known, unknown = TEXTVQA.run(tmp_path).records
    assert known["references"] == ["acme", "acme", "unanswerable"]
    assert known["pictures"] == ["openimages/00aa"]
    assert (known["ocr_tokens"], known["ocr_source"]) == (["ACME", "toys", "co"], "ocr.json")
    assert unknown["ocr_tokens"] is unknown["ocr_source"] is unknown["answer"] is None
    assert TEXTVQA.run(tmp_path, ocr_tokens=1).records[0]["ocr_tokens"] == ["ACME"]
    assert TEXTVQA.run(tmp_path, ocr_tokens=0).records[0]["ocr_tokens"] is None
    assert TEXTVQA.run_with({"ocr": None}, tmp_path).records[0]["ocr_source"] is None


def test_hateful_memes_are_named_by_their_picture(tmp_path: Path) -> None:
    hateful, harmless, unlabelled = HATEFUL_MEMES.run(tmp_path).records
    assert hateful["record_id"] == "hateful_memes/val/02345"
    assert hateful["pictures"] == ["hateful_memes/img/02345.png"]
    assert (hateful["text"], hateful["answer"]) == ("look at this cube", "yes")
    assert (harmless["text"], harmless["answer"]) == ("{{ a }} <image> </s>", "no")
    assert unlabelled["answer"] is unlabelled["references"] is None


def test_msvd_clips_are_named_by_the_mapping(tmp_path: Path) -> None:
    what, who, other = MSVD_QA.run(tmp_path).records
    assert what["pictures"] == ["msvd/-4wsuPCjDBc_5_15"]
    assert who["pictures"] == ["msvd/ab_cd-efgh__1_30"]
    assert (what["record_id"], what["answer"]) == ("msvd_qa/test/0", "cube")
    assert [one["subset"] for one in (what, who, other)] == ["what", "who", "other"]
    assert who["answer"] == "none"


def test_msrvtt_clips_are_named_by_number(tmp_path: Path) -> None:
    record = MSRVTT_QA.run(tmp_path).only()
    assert (record["record_id"], record["pictures"]) == ("msrvtt_qa/val/7", ["msrvtt/video6513"])
    assert (record["answer"], record["subset"]) == ("coversation", "category 0")


def test_ivqa_none_is_an_answer(tmp_path: Path) -> None:
    first, second = IVQA.run(tmp_path).records
    assert first["record_id"] == "ivqa/test/a-_bcdefghi_10_20-0"
    assert first["pictures"] == ["ivqa/a-_bcdefghi_10_20"]
    assert first["references"] == ["nothing", "none", "none", "null", "NA"]
    assert (first["answer"], first["answer_choice"]) == ("none", 1)
    assert (second["references"], second["answer"]) == (["by hand", "hand", "", "", ""], "by hand")


def test_visdial_rounds_have_their_own_history_and_options(tmp_path: Path) -> None:
    first, second, third = VISDIAL.run(tmp_path).records
    assert [one["record_id"] for one in (first, second, third)] == [
        "visdial/val/42-1",
        "visdial/val/42-2",
        "visdial/val/42-3",
    ]
    assert first["pictures"] == ["visdial/VisualDialog_val2018_000000000042"]
    assert (first["caption"], first["history"]) == ("a cube on a table", [])
    assert second["history"] == [{"question": "is it a cube", "answer": "yes"}]
    assert third["history"] == [*second["history"], {"question": "is it red", "answer": "no"}]
    assert (second["choices"], second["choice_index"]) == (["0", "can't tell", "no"], 2)
    assert (third["question"], third["choices"]) == ("any people", ["can't tell", "yes"])
    assert [one["relevance"] for one in (first, second, third)] == [None, [0.0, 0.5, 1.0], None]
    assert VISDIAL.run(tmp_path, dense="off").records[1]["relevance"] is None


def test_visdial_train_shows_photographs_of_coco(tmp_path: Path) -> None:
    assert VISDIAL.run(tmp_path, "train").records[0]["pictures"] == ["coco/000000000042"]


def test_visdial_test_has_options_in_the_last_round_only(tmp_path: Path) -> None:
    rounds = [{"question": 0, "answer": 0}, {"question": 1, "answer_options": [1, 0]}]
    dialogs = [{"image_id": 7, "caption": "a ball", "dialog": rounds}]
    data = {
        "data": {"dialogs": dialogs, "answers": ["yes", "no"], "questions": ["a ball", "a cube"]}
    }
    contents = {"data": data, "dense": None}
    earlier, last = VISDIAL.run_with(contents, tmp_path, "test").records
    assert earlier["pictures"] == ["visdial/VisualDialog_test2018_000000000007"]
    assert (earlier["answer"], earlier["choices"], earlier["choice_index"]) == ("yes", None, None)
    assert (last["answer"], last["references"], last["choice_index"]) == (None, None, None)
    assert last["choices"] == ["no", "yes"]
    assert last["history"] == [{"question": "a ball", "answer": "yes"}]
