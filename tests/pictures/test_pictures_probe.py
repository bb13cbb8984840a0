"""Every odd picture is decoded by the stated rule or refused with its reason."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_cases import CASES, Case, flat, png, saved, scene
from PIL import Image

from instructify.pictures.decode import TooManyPixels, to_rgb
from instructify.pictures.perceptual import hash_grey, perceptual_hash
from instructify.pictures.probe import PictureFacts, probe_picture
from instructify.pictures.sources import Problem
from instructify.rejects import REASONS

ACCEPTED = [case for case in CASES if case.reason is None]
REFUSED = [case for case in CASES if case.reason is not None]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_accepted_with_the_stated_pixels(case: Case) -> None:
    data = case.make()
    facts = probe_picture(data)
    assert isinstance(facts, PictureFacts), facts
    assert facts.kind == case.kind
    assert facts.size_bytes == len(data)
    picture = to_rgb(data)
    assert picture.mode == "RGB"
    assert picture.size == (facts.width, facts.height)
    if case.size is not None:
        assert picture.size == case.size
    if case.pixel is not None:
        found = np.asarray(picture)[0, 0].astype(int)
        assert np.abs(found - case.pixel).max() <= case.tolerance, found


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_with_a_reason(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = probe_picture(case.make())
    assert isinstance(problem, Problem), problem
    assert problem.reason == case.reason, problem
    assert problem.reason in REASONS
    assert problem.detail
    assert "\n" not in problem.detail


def test_exif_rotation_is_applied_when_asked_for() -> None:
    data = next(case for case in CASES if case.name == "jpeg turned by EXIF").make()
    assert to_rgb(data).size == (64, 48)
    assert to_rgb(data, exif="apply").size == (48, 64)


def test_sixteen_bits_are_scaled_not_cut() -> None:
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    found = np.asarray(to_rgb(saved(Image.fromarray(ramp), "PNG")))[..., 0].reshape(-1)
    assert np.array_equal(found, np.rint(ramp.reshape(-1) / 257).astype(np.uint8))


def test_too_many_pixels_are_refused_at_decoding_as_well() -> None:
    with pytest.raises(TooManyPixels, match="cap"):
        to_rgb(png(300, 300, 1, 0, bytes(9)), max_pixels=80_000)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP"]), st.data())
def test_damaged_bytes_never_raise(kind: str, data: st.DataObject) -> None:
    whole = bytearray(saved(scene(32, 24), kind))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    facts = probe_picture(bytes(whole[:cut]))
    assert isinstance(facts, PictureFacts) or facts.reason in REASONS


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    problem = probe_picture(data)
    assert isinstance(problem, PictureFacts) or problem.reason in REASONS


def test_the_same_content_has_the_same_facts() -> None:
    data = saved(scene(), "JPEG")
    assert probe_picture(data) == probe_picture(bytes(bytearray(data)))


def _hash(data: bytes) -> int:
    facts = probe_picture(data)
    assert isinstance(facts, PictureFacts)
    assert facts.phash is not None
    return facts.phash


def test_hash_hardly_changes_when_a_picture_is_encoded_or_scaled_anew() -> None:
    for seed in range(6):
        original = scene(400, 300, seed)
        reference = _hash(saved(original, "PNG"))
        for other in (
            saved(original, "JPEG", quality=50),
            saved(original, "WEBP", quality=60),
            saved(original.resize((266, 200)), "JPEG", quality=80),
        ):
            assert (reference ^ _hash(other)).bit_count() <= 10


def test_hash_tells_pictures_apart() -> None:
    hashes = [_hash(saved(scene(200, 150, seed), "PNG")) for seed in range(12)]
    nearest = min((a ^ b).bit_count() for a in hashes for b in hashes if a != b)
    assert len(set(hashes)) == len(hashes)
    assert nearest >= 6


def test_hash_of_a_flat_picture_is_exact() -> None:
    for value in (0, 1, 127, 255):
        grey = np.full((32, 32), value, np.int64)
        assert hash_grey(grey) == hash_grey(np.zeros((32, 32), np.int64))


def test_hash_stays_what_it_is() -> None:
    """Builds hold these values: a change of method needs a new format of the index."""
    assert perceptual_hash(scene(64, 64, 3).convert("L")) == 4575410658622891464
    assert perceptual_hash(flat().convert("L")) == 0
