"""The held-out twins, release by release: labels that are true, quirks that are planted."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from twin_help import load

from instructify.catalog.load import load_catalog
from instructify.twins.heldout import spaced, youtube_id
from instructify.twins.language import PLACES
from instructify.twins.make import make_twin

HELD_OUT = tuple(dataset.name for dataset in load_catalog().select(role="held-out"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twins of all held-out datasets with pictures and clips."""
    root = tmp_path_factory.mktemp("raw")
    make_twin(HELD_OUT, root)
    return root


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten times as much, without pictures."""
    root = tmp_path_factory.mktemp("large")
    make_twin(HELD_OUT, root, scale=10, pictures=False)
    return root


def test_nocaps_counts_from_zero_and_sorts_by_what_is_new(root: Path) -> None:
    val = load(root / "nocaps" / "nocaps_val_4500_captions.json")
    test = load(root / "nocaps" / "nocaps_test_image_info.json")
    assert [image["id"] for image in val["images"]] == list(range(40))
    assert test["images"][0]["id"] == 40
    assert "domain" not in test["images"][0]
    assert Counter(row["image_id"] for row in val["annotations"]) == dict.fromkeys(range(40), 10)
    novel = {key: fact["novel"] for key, fact in _truth(root, "nocaps").items()}
    for image in val["images"]:
        known = image["domain"] == "in-domain"
        assert known == (not novel[f"openimages/{image['open_images_id']}"])
    texts = [row["caption"] for row in val["annotations"]]
    assert any(text.endswith(" ") for text in texts)
    assert any(not text.rstrip().endswith(".") for text in texts)
    assert any(text[0].islower() for text in texts)


def test_flickr_writes_each_caption_twice_in_its_two_ways(large: Path) -> None:
    lines = (large / "flickr30k" / "results_20130124.token").read_text().splitlines()
    tokens = dict(line.split("\t") for line in lines)
    images = load(large / "flickr30k" / "dataset_flickr30k.json")["images"]
    raws = [sentence["raw"] for image in images for sentence in image["sentences"]]
    for image in images:
        for nth, sentence in enumerate(image["sentences"]):
            text = tokens[f"{image['filename']}#{nth}"]
            assert text == spaced(sentence["raw"].replace("&amp;", "&"))
    assert len(tokens) > len(raws)
    assert any("#" in raw for raw in raws)
    assert any("&amp;" in raw for raw in raws)
    assert not any("&amp;" in text for text in tokens.values())


def test_vizwiz_has_both_ways_of_naming_and_its_two_fields_disagree(large: Path) -> None:
    folder = large / "vizwiz" / "Annotations"
    train, val, test = (load(folder / f"{split}.json") for split in ("train", "val", "test"))
    assert train[-1]["image"] == "VizWiz_train_000000000099.jpg"
    assert val[0]["image"] == "VizWiz_val_000000000100.jpg"
    assert test[0]["image"] == "VizWiz_test_00000000.jpg"
    assert all(list(row) == ["image", "question"] for row in test)
    kinds = Counter((row["answerable"], row["answer_type"]) for row in val)
    assert {(1, "other"), (1, "unanswerable"), (0, "unanswerable"), (0, "other")} <= kinds.keys()
    assert kinds[0, "unanswerable"] > 10 * kinds[0, "other"]
    assert len({tuple(row) for row in val}) == 2
    said = Counter(answer["answer"] for row in val for answer in row["answers"])
    assert said["unanswerable"] > said["unsuitable"] > 0
    assert all(len(row["answers"]) == 10 for row in val)


def test_gqa_names_questions_with_zeros_and_pictures_in_two_ways(large: Path) -> None:
    balanced = load(large / "gqa" / "testdev_balanced_questions.json")
    complete = load(large / "gqa" / "testdev_all_questions.json")
    assert balanced.items() < complete.items()
    assert all(name.startswith("0") for name in balanced)
    assert all(row["imageId"].startswith("n") for row in balanced.values())
    assert {row["groups"]["global"] for row in balanced.values()} == {None, "color", "shape"}
    assert any(name not in complete for row in balanced.values() for name in row["entailed"])
    kinds = Counter(row["types"]["structural"] for row in balanced.values())
    assert kinds.keys() == {"query", "choose", "verify", "compare", "logical"}
    assert min(kinds.values()) > 40
    val = load(large / "gqa" / "val_balanced_questions.json")
    assert not any(row["imageId"].startswith("n") for row in val.values())
    test = load(large / "gqa" / "test_balanced_questions.json")
    assert all(list(row) == ["question", "imageId", "isBalanced"] for row in test.values())
    parts = sorted((large / "gqa" / "train_all_questions").iterdir())
    assert len(parts) == 10
    assert load(large / "gqa" / "train_balanced_questions.json").keys() < {
        name for part in parts for name in load(part)
    }


def test_vsr_statements_are_as_true_as_their_labels_say(root: Path) -> None:
    truth = _truth(root, "vsr")
    for row in _lines(root / "vsr/data/splits/zeroshot/test.jsonl"):
        things = truth[f"coco/{row['image'].removesuffix('.jpg')}"]["things"]
        subject, object_ = (
            next(thing for thing in things if f"{thing['colour']} {thing['shape']}" == row[part])
            for part in ("subj", "obj")
        )
        across = subject["column"] - object_["column"]
        down = subject["row"] - object_["row"]
        relation = row["relation"]
        if "left" in relation or "right" in relation:
            holds = across < 0 if "left" in relation else across > 0
        else:
            holds = down < 0 if relation in ("above", "over") else down > 0
        assert holds == bool(row["label"]), row["caption"]


def test_vsr_votes_are_strings_and_statements_recur(root: Path) -> None:
    seen = {}
    for variant in ("random", "zeroshot"):
        for split in ("train", "dev", "test"):
            rows = _lines(root / "vsr" / "data" / "splits" / variant / f"{split}.jsonl")
            for row in rows:
                assert ("reference_frame" in row) == (variant == "random")
                votes = [row[f"vote_{side}_validator_id"] for side in ("true", "false")]
                assert len(json.loads(votes[0]) + json.loads(votes[1])) == 3
                seen[variant, row["image"]] = split
    random = {image: split for (variant, image), split in seen.items() if variant == "random"}
    zero = {image: split for (variant, image), split in seen.items() if variant == "zeroshot"}
    assert zero.keys() < random.keys()
    assert any(random[image] != split for image, split in zero.items())


def test_iconqa_has_a_folder_for_each_exercise(root: Path) -> None:
    data = root / "iconqa" / "iconqa_data"
    problems = load(data / "problems.json")
    pids = load(data / "pid_splits.json")
    modes = set()
    for slot, names in pids.items():
        kind, _, split = slot.rpartition("_")
        for pid in names if split != "trainval" else ():
            folder = data / "iconqa" / split / kind / pid
            problem = load(folder / "data.json")
            assert problem == problems[pid]
            assert isinstance(problem["answer"], str if kind == "fill_in_blank" else int)
            assert ("choices" in problem) == (kind != "fill_in_blank")
            pictures = {"image.png", *(problem["choices"] if kind == "choose_img" else ())}
            assert {path.name for path in folder.iterdir()} == pictures | {"data.json"}
            modes |= {Image.open(folder / name).mode for name in pictures}
    assert modes == {"RGB", "RGBA"}
    assert load(data / "pid2skills.json").keys() == problems.keys()
    assert set(pids["choose_txt_trainval"]) == {*pids["choose_txt_train"], *pids["choose_txt_val"]}


def test_scienceqa_shares_one_count_of_ids(large: Path) -> None:
    data = large / "scienceqa" / "data"
    problems = load(data / "scienceqa" / "problems.json")
    pids = load(data / "scienceqa" / "pid_splits.json")
    assert list(pids) == ["train", "val", "test", "trainval", "minitrain", "minival", "minitest"]
    for split in ("train", "val", "test"):
        assert {problems[pid]["split"] for pid in pids[split]} == {split}
        assert set(pids[f"mini{split}"]) < set(pids[split])
    rows = problems.values()
    with_picture = {pid for pid, row in problems.items() if row["image"]}
    assert load(data / "captions.json")["captions"].keys() == with_picture
    assert len(with_picture) == len(problems) / 2
    assert {len(row["choices"]) for row in rows} == {2, 3, 4, 5}
    for text in ("hint", "lecture", "solution"):
        assert any(row[text] == "" for row in rows)
    assert any("\n" in row["solution"] for row in rows)


def test_visdial_speaks_in_indices(root: Path) -> None:
    val = load(root / "visdial" / "visdial_1.0_val.json")
    assert val["split"] == "val2018"
    questions, answers = val["data"]["questions"], val["data"]["answers"]
    rounds = [said for talk in val["data"]["dialogs"] for said in talk["dialog"]]
    assert len(rounds) == 10 * len(val["data"]["dialogs"])
    assert {0} <= {said["question"] for said in rounds} & {said["answer"] for said in rounds}
    for said in rounds:
        assert said["answer_options"][said["gt_index"]] == said["answer"]
    assert not any("?" in text or text != text.lower() for text in questions)
    assert len(set(answers)) == len(answers)


def test_visdial_test_ends_with_a_question(large: Path) -> None:
    talks = load(large / "visdial" / "visdial_1.0_test.json")["data"]["dialogs"]
    assert {len(talk["dialog"]) for talk in talks} == set(range(1, 11))
    for talk in talks:
        *earlier, last = talk["dialog"]
        assert all(said.keys() == {"question", "answer"} for said in earlier)
        assert last.keys() == {"question", "answer_options"}


def test_visdial_dense_annotations_favour_the_answer(root: Path) -> None:
    talks = load(root / "visdial" / "visdial_1.0_val.json")["data"]["dialogs"]
    dense = load(root / "visdial" / "visdial_1.0_val_dense_annotations.json")
    for talk, row in zip(talks, dense, strict=True):
        assert row["image_id"] == talk["image_id"]
        right = talk["dialog"][row["round_id"] - 1]["gt_index"]
        assert row["gt_relevance"][right] == max(row["gt_relevance"])
    sample = load(root / "visdial" / "visdial_1.0_train_dense_sample.json")
    assert all(len(row["relevance"]) == 100 for row in sample)


def test_textvqa_asks_about_words_that_are_there(root: Path) -> None:
    truth = _truth(root, "textvqa")
    rows = load(root / "textvqa" / "TextVQA_0.5.1_val.json")["data"]
    for row in rows:
        (answer, num), *_ = Counter(text.strip() for text in row["answers"]).most_common()
        shown = truth[f"openimages/{row['image_id']}"]
        if row["question"].startswith("what is written on the"):
            assert num >= 5
            assert answer in {word["text"] for word in shown["words"]}
        assert (root / "textvqa" / "train_images" / f"{row['image_id']}.jpg").is_file()
    test = load(root / "textvqa" / "TextVQA_0.5.1_test.json")["data"]
    assert not any("answers" in row for row in test)
    assert test[0]["question_id"] == rows[-1]["question_id"] + 1
    assert (root / "textvqa" / "test_images" / f"{test[0]['image_id']}.jpg").is_file()


def test_textvqa_answers_and_tokens_are_imperfect(large: Path) -> None:
    rows = load(large / "textvqa" / "TextVQA_0.5.1_val.json")["data"]
    texts = [text for row in rows for text in row["answers"]]
    assert any(text.endswith(" ") for text in texts)
    for sentinel in ("unanswerable", "not a question", "answering does not require reading text"):
        assert any(text.startswith(sentinel) for text in texts)
    read = load(large / "textvqa" / "TextVQA_Rosetta_OCR_v0.2_val.json")["data"]
    assert len(read) == 400
    assert any(row["ocr_tokens"] == [] for row in read)
    for row in read:
        assert [word["word"] for word in row["ocr_info"]] == row["ocr_tokens"]
        assert all(0 <= word["bounding_box"]["top_left_y"] < 1 for word in row["ocr_info"])


def test_a_meme_is_labelled_by_what_its_picture_shows(root: Path) -> None:
    truth = _truth(root, "hateful_memes")
    for row in _lines(root / "hateful_memes" / "dev_seen.jsonl"):
        *opening, colour, shape = row["text"].split()
        things = truth[f"hateful_memes/{row['img']}"]["things"]
        present = any((thing["colour"], thing["shape"]) == (colour, shape) for thing in things)
        fits = present != (opening[0] == "no")
        assert fits == (row["label"] == 0), row["text"]


def test_memes_lose_zeros_and_labels_where_the_release_does(root: Path) -> None:
    folder = root / "hateful_memes"
    seen = {row["img"] for row in _lines(folder / "dev_seen.jsonl")}
    unseen = {row["img"] for row in _lines(folder / "dev_unseen.jsonl")}
    assert 0 < len(seen & unseen) < len(unseen)
    rows = [row for path in folder.glob("*.jsonl") for row in _lines(path)]
    assert all(row["img"] == f"img/{row['id']:05d}.png" for row in rows)
    assert any(row["id"] < 10_000 for row in rows)
    for split in ("test_seen", "test_unseen"):
        assert not any("label" in row for row in _lines(folder / f"{split}.jsonl"))


def test_msvd_maps_numbers_to_awkward_names(root: Path) -> None:
    folder = root / "msvd_qa"
    names = {}
    for line in (folder / "youtube_mapping.txt").read_text().splitlines():
        name, number = line.split(" ")
        names[int(number.removeprefix("vid"))] = name
    asked = {
        row["video_id"]
        for split in ("train", "val", "test")
        for row in load(folder / f"{split}_qa.json")
    }
    assert asked < names.keys()
    clips = {path.stem for path in (folder / "YouTubeClips").glob("*.avi")}
    assert clips == {names[number] for number in asked}
    assert any(name.startswith("-") for name in clips)
    assert any("_" in name.rsplit("_", 2)[0] for name in clips)
    ids = [row["id"] for s in ("train", "val", "test") for row in load(folder / f"{s}_qa.json")]
    assert ids == list(range(len(ids)))


def test_clips_hold_what_happens(root: Path) -> None:
    for name in ("msvd_qa", "msrvtt_qa", "ivqa"):
        key, fact = next(iter(_truth(root, name).items()))
        (path,) = (root / name).rglob(f"{key.partition('/')[2]}.*")
        with av.open(str(path)) as container:
            decoded = sum(1 for _ in container.decode(video=0))
        assert decoded == len(fact["frames"])


def test_msrvtt_gives_each_clip_one_category(large: Path) -> None:
    rows = load(large / "msrvtt_qa" / "test_qa.json")
    categories = defaultdict(set)
    for row in rows:
        categories[row["video_id"]].add(row["category_id"])
    assert {len(found) for found in categories.values()} == {1}
    assert set.union(*categories.values()) == set(range(20))
    known = Counter(row["answer"] for row in rows)
    assert any(num == 1 for num in known.values())  # misspelt


def test_ivqa_has_five_answers_that_may_be_none(large: Path) -> None:
    with (large / "ivqa" / "iVQA" / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("video_id", "start", "end", "question"),
        *(f"answer{number}" for number in range(1, 6)),
    ]
    agreed = [Counter(row[f"answer{n}"] for n in range(1, 6)).most_common(1)[0] for row in rows]
    assert all(num >= 3 for _, num in agreed)
    assert 5 < sum(answer == "none" for answer, _ in agreed) < 80
    assert all(len(row["video_id"]) == 11 for row in rows)


def test_video_ids_are_unlike() -> None:
    names = {youtube_id("msvd", number) for number in range(20_000)}
    assert len(names) == 20_000
    assert {len(name) for name in names} == {11}


def test_places_are_spoken_of_in_the_pictures_own_terms(root: Path) -> None:
    truth = _truth(root, "gqa")
    rows = load(root / "gqa" / "testdev_balanced_questions.json").values()
    asked = [row for row in rows if row["types"]["detailed"] == "positionQuery"]
    assert asked
    for row in asked:
        things = truth[f"gqa/{row['imageId']}"]["things"]
        assert row["answer"] in {PLACES[thing["row"]][thing["column"]] for thing in things}


def _truth(root: Path, release: str) -> dict[str, dict[str, Any]]:
    rows = _lines(root / "truth" / f"{release}.jsonl")
    return {row.pop("picture"): row for row in rows}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
