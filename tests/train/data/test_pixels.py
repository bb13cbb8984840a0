"""Training, validation, evaluation and generation see the same pixels of the same picture."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from build_help import Commands
from picture_cases import saved, scene
from PIL import Image
from run_help import recipe_file

from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.protocols import named_protocol, read_questions
from instructify.templating import TemplateFolders
from instructify.twins.make import make_twin
from instructify_train.data.pixels import Pixels
from instructify_train.distributed import Ranks
from instructify_train.evaluate.answering import Answerer
from instructify_train.evaluate.predict import Evaluator
from instructify_train.evaluate.questions import ask
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import Setup, set_up

RECIPE = """
format: 1
mixture: {members: {vqav2: {forms: [open]}}}
model: {name: tiny-llama}
data: {batch: 4, window: 1, workers: 0}
run: {steps: 2, device: cpu, validate_every: 1, validation_samples: 200, tensorboard: false}
"""


def odd_pictures() -> list[bytes]:
    """Pictures whose pixels depend on how they are decoded."""
    picture = scene(160, 96)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees
    upside_down = Image.Exif()
    upside_down[0x0112] = 3
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    clear = picture.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    return [
        saved(picture, "JPEG", exif=turned),
        saved(picture, "JPEG", exif=upside_down),
        saved(picture.convert("CMYK"), "JPEG"),
        saved(deep, "PNG"),
        saved(clear, "PNG"),
        saved(picture.quantize(16), "PNG"),
    ]


@pytest.fixture(scope="module", name="built")
def _built(command: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[Build, Path]:
    """A build whose pictures are odd in turn, and the folder of its validation pictures."""
    folder = tmp_path_factory.mktemp("odd-pixels")
    raw, out = folder / "raw", folder / "build"
    make_twin(["vqav2"], raw, scale=0.6)
    odd = odd_pictures()
    for number, path in enumerate(sorted(raw.rglob("val2014/*.jpg"))):
        path.write_bytes(odd[number % len(odd)])
    answer = command("convert", "vqav2", "--raw", raw, "--out", out)
    assert answer.code == 0, answer.stderr
    return Build.open(out), raw / "coco" / "val2014"


def opened(build: Build, folder: Path, settings: tuple[str, ...]) -> Setup:
    config = load_recipe(str(recipe_file(folder, RECIPE)), settings)
    return set_up(build, config, load_catalog(), Ranks())


class Recorder(Answerer):
    """Keeps the pixels of the pictures that it is asked about."""

    seen: list[Pixels]

    def features(self, pixels: Pixels) -> torch.Tensor:
        self.seen.append(pixels)
        return super().features(pixels)

    def distinct(self) -> set[bytes]:
        return {frame.tobytes() for pixels in self.seen for frame in pixels}


@pytest.fixture(params=["exif=ignore", "exif=apply", "draft=true", "blind=true"])
def settings(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return (f"data.{request.param}", "data.augmentation=none")


def test_all_see_the_same_pixels(
    built: tuple[Build, Path], tmp_path: Path, settings: tuple[str, ...]
) -> None:
    build, pictures = built
    setup = opened(build, tmp_path, settings)
    prepared = setup.prepared
    protocol = named_protocol(load_catalog(), "vqav2")
    questions = read_questions(build, protocol, load_catalog(), TemplateFolders.of())
    first = {row.pictures: row for row in reversed(questions.rows)}  # of each picture
    questions = replace(questions, rows=list(first.values()))
    keys = sorted(key for pictures in first for key in pictures)
    trained = {setup.pixels.read(key, "any").tobytes() for key in keys}
    assert len(trained) >= (1 if setup.config.data.blind else 5)

    recorder = Recorder(prepared.inner, prepared.processor, setup.config.data, prepared.device)
    recorder.seen = []
    store = build.pictures()
    assert store is not None
    short = replace(protocol, decode=replace(protocol.decode, beams=1, max_new_tokens=1))
    evaluator = Evaluator(recorder, short, questions, store, batch=8)
    assert sum(len(rows) for _, rows in evaluator.parts(range(evaluator.num_parts)))
    assert recorder.distinct() == trained

    recorder.seen = []
    ask(recorder, build, "vqav2", "val", len(questions.rows))
    assert recorder.distinct() <= trained
    assert recorder.seen

    files = {recorder.read_file(path).tobytes() for path in pictures.glob("*.jpg")}
    assert files == trained


def test_rotation_and_scale_are_settings_that_matter(
    built: tuple[Build, Path], tmp_path: Path
) -> None:
    build, _ = built
    key = next(
        key
        for row in build.samples("vqav2", "val")
        for key in row["pictures"]
        if Image.open(io.BytesIO(_bytes(build, key))).getexif().get(0x0112) == 6
    )
    plain, upright = (
        opened(build, tmp_path, (f"data.exif={exif}",)).pixels.read(key, "any")
        for exif in ("ignore", "apply")
    )
    assert not np.array_equal(plain, upright)


def _bytes(build: Build, key: str) -> bytes:
    store = build.pictures()
    assert store is not None
    return store.bytes(key)
