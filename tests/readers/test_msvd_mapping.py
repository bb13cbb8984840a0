"""A mapping that counts otherwise than MSVD gives no question the clip of another one."""

from pathlib import Path

import pytest
from heldout_cases import MSVD_QA
from reader_help import real_data, run_reader, write_json

from instructify._util.errors import UserError
from instructify.readers import READERS


def lines(first: int, count: int = 12) -> str:
    return "".join(f"abc_{n}_99 vid{first + n}\n" for n in range(count))


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (lines(0), "vid0, but MSVD counts its clips from vid1 to vid1970"),
        (lines(2), "they are shifted by one"),
        (lines(1960), "vid1971, but MSVD counts"),
        ("-4wsuPCjDBc_5_15 vid2\n" + "abc_1_2 vid1\n", "vid1 in the release"),
        ("QzulzuWr0Zw_20_45 vid878\nabc_1_2 vid1\nabc_1_3 vid2\n", "vid879 in the release"),
    ],
)
def test_a_mapping_that_counts_otherwise(mapping: str, said: str, tmp_path: Path) -> None:
    outcome = MSVD_QA.run_with({"mapping": mapping}, tmp_path)
    assert outcome.records == []
    assert [one.reason for one in outcome.rejects].count("bad-value") == 1
    asked = [one for one in outcome.rejects if one.reason == "no-url-mapping"]
    assert len(asked) == MSVD_QA.num_records
    assert all(said in one.detail for one in outcome.rejects)


@pytest.mark.parametrize(
    "mapping",
    [
        lines(1),
        lines(1) + lines(1),  # the same said twice
        lines(1, 1970),
        "abc_1_2 vid1\nabc_1_3 vid2\nabc_1_4 vid1201\nabc_1_5 vid1451\n",
    ],
)
def test_a_mapping_or_a_part_of_one_that_counts_rightly(mapping: str, tmp_path: Path) -> None:
    assert MSVD_QA.run_with({"mapping": mapping}, tmp_path).rejects == []


def test_a_number_with_two_clips_has_none(tmp_path: Path) -> None:
    questions = [
        {"answer": "cat", "id": n, "question": "who?", "video_id": n} for n in (1, 2, 3, 4)
    ]
    mapping = tmp_path / "youtube_mapping.txt"
    mapping.write_text("a_1_2 vid1\nb_1_2 vid2\nc_1_2 vid2\nd_1_2 vid3\nd_1_2 vid4\n")
    files = {"questions": write_json(tmp_path / "test_qa.json", questions), "mapping": mapping}
    outcome = run_reader(READERS["msvd_qa"], files, split="test")
    assert [record["pictures"] for record in outcome.records] == [["msvd/a_1_2"]]
    assert sorted((one.source, one.position, one.reason) for one in outcome.rejects) == [
        ("test_qa.json", 1, "no-url-mapping"),
        ("test_qa.json", 2, "no-url-mapping"),
        ("test_qa.json", 3, "no-url-mapping"),
        ("youtube_mapping.txt", 2, "bad-value"),
        ("youtube_mapping.txt", 4, "bad-value"),
    ]


@pytest.mark.parametrize(
    "line", ["video7010 vid1\n", "abc_1_2 video1\n", "vid1 abc_1_2\n", "vid1\n"]
)
def test_the_mapping_of_another_dataset_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no line"):
        MSVD_QA.run_with({"mapping": f"{line}\n" * 3}, tmp_path)


def test_the_real_slice_counts_rightly() -> None:
    folder = real_data("msvd_qa")
    files = {"questions": folder / "test_qa.json", "mapping": folder / "youtube_mapping.txt"}
    outcome = run_reader(READERS["msvd_qa"], files, split="test")
    assert outcome.records
    assert not [one for one in outcome.rejects if one.source == "youtube_mapping.txt"]
