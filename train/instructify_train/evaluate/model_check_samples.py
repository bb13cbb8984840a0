"""Ten drawn pictures, each with a question and its answer, to check a model with."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

_SIDE = 256


class CheckSample(NamedTuple):
    """A coloured shape on a ground of another colour, with a question and its answer."""

    shape: str
    colour: str
    ground: str
    question: str
    answer: str


SAMPLES = (
    CheckSample("circle", "red", "white", "Question: What color is the circle? Answer:", "red"),
    CheckSample("square", "blue", "white", "Question: What color is the square? Answer:", "blue"),
    CheckSample("triangle", "green", "white", "Question: What shape is this? Answer:", "triangle"),
    CheckSample("circle", "black", "yellow", "Question: What is the background? Answer:", "yellow"),
    CheckSample("square", "white", "black", "Question: Is there a square? Answer:", "yes"),
    CheckSample("circle", "green", "white", "A short description of the image:", "a green circle"),
    CheckSample("square", "red", "blue", "Question: What shape is this? Answer:", "square"),
    CheckSample("triangle", "black", "white", "Question: Is it a circle? Answer:", "no"),
    CheckSample("circle", "blue", "white", "Question: How many circles? Answer:", "one"),
    CheckSample("triangle", "red", "white", "Question: What color is the shape? Answer:", "red"),
)


def drawn(sample: CheckSample) -> np.ndarray:
    """Draw a sample's picture, [256, 256, 3]."""
    picture = Image.new("RGB", (_SIDE, _SIDE), sample.ground)
    pen = ImageDraw.Draw(picture)
    box = (64, 64, 192, 192)
    if sample.shape == "circle":
        pen.ellipse(box, fill=sample.colour)
    elif sample.shape == "square":
        pen.rectangle(box, fill=sample.colour)
    else:
        pen.polygon(((128, 56), (200, 192), (56, 192)), fill=sample.colour)
    return np.asarray(picture)
