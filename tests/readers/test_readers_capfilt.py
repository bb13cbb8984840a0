"""Web CapFilt: names by url, files by option, samples and choices, what is rejected."""

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from heldin_cases import (
    Read,
    column,
    ids,
    pairs,
    reader_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts
from instructify.readers.capfilt_plan import Rule, Urls, make_plan


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader_of(tmp_path)


def test_capfilt_names_a_picture_by_the_hash_of_its_url(read: Read) -> None:
    web = pairs(
        ("http://a.example/x,(1).jpg?w=3", "\u00a0Bad ``Vibrations''  <PERSON>\nhere "),
        ("HTTPS://b.example/", "caf\u00e9"),
        ("http://a.example/x,(1).jpg?w=3", "second"),
    )
    synthetic = pairs(("http://a.example/x,(1).jpg?w=3", "a record"))
    outcome = read(
        "web_capfilt", {"ccs_web": web, "laion_web": web[:1], "ccs_synthetic": synthetic}
    )
    names = [record_id.rsplit("-", 1) for record_id in ids(outcome)]
    assert len({one for one, _ in names}) == 2
    name = names[0][0]
    assert len(name) == 20
    assert [kind for _, kind in names] == ["w0", "w0", "w1", "s0", "w2"]
    assert column(outcome, "answer")[0] == "Bad ``Vibrations'' <PERSON> here"
    assert column(outcome, "pictures")[0] == [f"web_capfilt/{name}"]
    assert column(outcome, "source")[-1] == "laion_web.json"


@pytest.mark.parametrize("sample", [0, 3])
def test_capfilt_hashes_the_bytes_of_each_url(read: Read, sample: int) -> None:
    urls = [
        "http://a/",
        "https://b/caf\u00e9\U0001f600",
        "hTTp://" + "x" * 300,
        "http://",
        "https://1",
    ]
    outcome = read(
        "web_capfilt", {"ccs_web": pairs(*((url, "text") for url in urls))}, sample=sample
    )
    names = {sha256(url.encode()).hexdigest()[:20]: url for url in urls}
    assert {names[name.split("-")[0]] for name in ids(outcome)} <= set(urls)
    assert len(ids(outcome)) == (sample or len(urls))
    if not sample:
        assert [name.split("-")[0] for name in ids(outcome)] == list(names)


@pytest.mark.parametrize(
    "bad", ["httpx://a", "http:/a", "", " http://a", "http\u017f://a", "h", "\u212attp://"]
)
def test_capfilt_takes_http_in_any_case_and_nothing_like_it(read: Read, bad: str) -> None:
    good = ["http://a", "HTTP://a", "https://a", "HttpS://a"]
    outcome = read(
        "web_capfilt", {"ccs_web": pairs(*((url, "text") for url in [*good, bad, *good]))}
    )
    assert outcome.reasons() == [(4, "url", "bad-value")]
    assert column(outcome, "position") == [0, 1, 2, 3, 5, 6, 7, 8]


def test_capfilt_takes_the_files_that_the_options_ask_for(read: Read) -> None:
    files = {
        role: pairs((f"http://a.example/{role}", role))
        for role in ("ccs_web", "ccs_synthetic", "ccs_synthetic_large", "laion_web")
    }
    assert column(read("web_capfilt", files, captions="web"), "answer") == ["ccs_web", "laion_web"]
    assert column(read("web_capfilt", files, sources="ccs"), "answer") == [
        "ccs_web",
        "ccs_synthetic",
    ]
    large = read("web_capfilt", files, captions="synthetic", size="large")
    assert column(large, "answer") == ["ccs_synthetic_large"]
    with pytest.raises(UserError, match="captions=synthetic, sources=laion, size=base"):
        read("web_capfilt", files, captions="synthetic", sources="laion")


def test_capfilt_names_what_it_cannot_use(read: Read) -> None:
    rows: list[Any] = pairs(
        ("ftp://a.example/1", "x"),
        ("http://a.example/2", " \u00a0"),
        ("http://a.example/3", "good"),
        ("", "x"),
    )
    outcome = read(
        "web_capfilt", {"ccs_web": [*rows, {"url": "http://a"}, {"url": None, "caption": "x"}]}
    )
    assert sorted(outcome.reasons()) == [
        (0, "url", "bad-value"),
        (1, "caption", "empty-text"),
        (3, "url", "bad-value"),
        (4, "caption", "missing-field"),
        (5, "url", "null-field"),
    ]
    assert column(outcome, "position") == [2]


def test_capfilt_samples_exactly_so_many_and_more_contain_fewer(read: Read) -> None:
    rows = pairs(*((f"http://a.example/{number // 2}", f"c {number}") for number in range(500)))
    drawn = {
        size: ids(read("web_capfilt", {"ccs_web": rows}, sample=size))
        for size in (1, 50, 499, 500, 900)
    }
    assert {size: len(drawn[size]) for size in drawn} == {
        1: 1,
        50: 50,
        499: 499,
        500: 500,
        900: 500,
    }
    assert set(drawn[1]) < set(drawn[50]) < set(drawn[499]) < set(drawn[500])
    again = read("web_capfilt", {"ccs_web": rows[::-1]}, sample=50)
    assert {one.rsplit("-")[0] for one in ids(again)} == {one.rsplit("-")[0] for one in drawn[50]}
    assert set(ids(read("web_capfilt", {"ccs_web": rows}, sample=50, seed=1))) != set(drawn[50])


def test_capfilt_can_keep_one_caption_of_each_url(read: Read) -> None:
    web = pairs(*((f"http://a.example/{number % 40}", f"w {number}") for number in range(90)))
    synthetic = pairs(*((f"http://a.example/{number}", f"s {number}") for number in range(60)))
    files = {"ccs_web": web, "ccs_synthetic": synthetic}
    outcome = read("web_capfilt", files, per_url="one")
    names = [one.split("-")[0] for one in ids(outcome)]
    assert len(names) == len(set(names)) == 60
    kinds = Counter(one.split("-")[1][0] for one in ids(outcome))
    assert kinds["w"] > 15
    assert kinds["s"] > 20
    assert len(read("web_capfilt", files, per_url="one", sample=25).records) == 25


@settings(max_examples=30, deadline=None)
@given(
    urls=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60),
    sample=st.integers(0, 70),
    one_per_url=st.booleans(),
    cut=st.integers(1, 9),
)
def test_the_capfilt_plan_is_what_a_plain_walk_over_all_rows_gives(
    urls: list[tuple[int, bool]], sample: int, one_per_url: bool, cut: int
) -> None:
    parts = [Urls(hash_texts([f"http://{url}"]), synthetic) for url, synthetic in urls]
    plan = make_plan(parts, Rule(seed=3, sample=sample, one_per_url=one_per_url))
    seen: Counter[tuple[int, bool]] = Counter()
    ordinals = []
    for one in urls:
        ordinals.append(seen[one])
        seen[one] += 1
    got: list[int] = []
    kept: list[bool] = []
    for start in range(0, len(urls), cut):
        size = min(cut, len(urls) - start)
        got += plan.ordinals(start, size).tolist()
        kept += plan.kept(start, size).tolist()
    assert got == ordinals
    most = len({url for url, _ in urls}) if one_per_url else len(urls)
    assert sum(kept) == (min(sample, most) if sample else most)
    if one_per_url:
        names = [url for (url, _), keep in zip(urls, kept, strict=True) if keep]
        assert len(set(names)) == len(names)
