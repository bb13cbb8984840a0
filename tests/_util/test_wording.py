"""Numbers stand before nouns that agree with them."""

from instructify._util.wording import counted


def test_one_is_singular() -> None:
    assert [counted(n, "sample") for n in (0, 1, 2000)] == [
        "0 samples",
        "1 sample",
        "2,000 samples",
    ]
    assert counted(1, "clip has", "clips have") == "1 clip has"
    assert counted(2, "clip has", "clips have") == "2 clips have"
