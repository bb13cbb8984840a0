"""Twins: synthetic releases in the authors' file layouts, filled from one generated world."""

from instructify.twins.covers import cover
from instructify.twins.dialogs import conversation, detail, dialog, reasoning
from instructify.twins.dice import Dice
from instructify.twins.events import Event, clip_questions, event
from instructify.twins.language import (
    NUMBERS,
    PLURALS,
    QA,
    a,
    captions,
    multiple_choice,
    name,
    place,
)
from instructify.twins.make import WRITERS, is_twin_root, make_twin, twin_datasets
from instructify.twins.painter import pixels
from instructify.twins.perception import ALL_PLACES, DIRECTIONS, OF_MANY, OF_ONE, lies
from instructify.twins.picture_questions import (
    CLOSED_KINDS,
    KNOWLEDGE_KINDS,
    PICTURE_KINDS,
    SIGN_KINDS,
    questions,
)
from instructify.twins.statements import meme, statement
from instructify.twins.verify import EXISTS
from instructify.twins.world import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    MOST_THINGS,
    SEEN_PAIRS,
    SHAPES,
    SIGN_WORDS,
    SIZES,
    Scene,
    Thing,
    scene,
    sign_scene,
)

__all__ = [
    "ALL_PLACES",
    "BACKGROUNDS",
    "CELLS",
    "CLOSED_KINDS",
    "COLOURS",
    "DIRECTIONS",
    "Dice",
    "EXISTS",
    "Event",
    "KNOWLEDGE_KINDS",
    "MOST_THINGS",
    "NUMBERS",
    "OF_MANY",
    "OF_ONE",
    "PICTURE_KINDS",
    "PLURALS",
    "QA",
    "SEEN_PAIRS",
    "SHAPES",
    "SIGN_KINDS",
    "SIGN_WORDS",
    "SIZES",
    "Scene",
    "Thing",
    "WRITERS",
    "a",
    "captions",
    "clip_questions",
    "conversation",
    "cover",
    "detail",
    "dialog",
    "event",
    "is_twin_root",
    "lies",
    "make_twin",
    "meme",
    "multiple_choice",
    "name",
    "pixels",
    "place",
    "questions",
    "reasoning",
    "scene",
    "sign_scene",
    "statement",
    "twin_datasets",
]
