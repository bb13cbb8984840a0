"""Make lessons as text: phrases that describe a picture, an instruction, and its response.

The lessons cover every task of the 26 datasets, worded by the templates, about generated scenes
that no twin shows; like those of held-in datasets, the scenes have no reserved combination. A text
depends only on (seed, index). No picture is painted and no file is written.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from instructify._util.resources import find
from instructify.catalog import load_catalog
from instructify.templating import (
    Template,
    TemplateSet,
    fitting,
    load_templates,
    misfit,
    render_row,
)
from instructify.twins import Dice
from instructify_train.tiny.twin_pages import THEMES, Page, told_of

# Questions are learned sooner without the words of a template around them.
_BARE, _BARE_RATE = "question-alone", 0.4
_NAMES = tuple(THEMES)
_WEIGHTS = tuple(theme.weight for theme in THEMES.values())
_JINJA = re.compile(r"\{[{%].*?[%}]\}")


class Lesson(NamedTuple):
    """A question about a picture; `picture` has a phrase for each thing that it shows.

    `kind` is the twins' kind of question if there is one, else the task. `remark` is a sentence
    about the picture that answers the question, "" if the twins have none.
    """

    picture: tuple[str, ...]
    kind: str
    instruction: str
    response: str
    remark: str


def lessons(seed: int, index: int | str) -> list[Lesson]:
    """Draw a scene and make up to four questions about it, all of one or two tasks."""
    dice = Dice("lesson text", seed, index)
    return _worded(THEMES[dice.weighted(_NAMES, _WEIGHTS)].page(seed, index, dice), dice)


def asked(question: str, dice: Dice) -> str:
    """Word a question about a picture by a template."""
    record = told_of("image_qa", "", "open", question=question, answer="yes")
    return _worded(Page((), [record]), dice)[0].instruction


def corpus(num_scenes: int = 600) -> list[str]:
    """List the texts that tokenizers are trained on: lessons of all themes, and bare templates."""
    texts: list[str] = []
    for index in range(num_scenes):
        name = _NAMES[index % len(_NAMES)]  # each theme is included, however few scenes there are
        where = f"corpus-{index}"
        dice = Dice("corpus", 0, where)
        page = THEMES[name].page(0, where, dice)
        texts += page.picture
        for lesson in _worded(page, dice):
            texts += (lesson.instruction, lesson.response)
    return texts + list(_bare_templates())


def _bare_templates() -> Iterable[str]:
    """Return the words of all templates without their fields, and the words that prefixes use."""
    for template in _templates().templates:
        for text in (template.instruction, template.response, template.qformer_instruction or ""):
            yield _JINJA.sub(" ", text)
    catalog = load_catalog()
    for task in catalog.tasks.values():
        yield task.title
    for dataset in catalog.datasets.values():
        yield dataset.title


@lru_cache(maxsize=1)
def _templates() -> TemplateSet:
    return load_templates(find("templates"))


def _worded(page: Page, dice: Dice) -> list[Lesson]:
    out = []
    for task, kind, row, remark in page.told:
        # A page always has a picture.
        asked = {**row, "pictures": [page.picture]}
        pool = [
            candidate for candidate in _pool(task, row["form"]) if misfit(candidate, asked) is None
        ]
        bare = [template for template in pool if template.id == _BARE]
        template = dice.pick(bare if bare and dice.chance(_BARE_RATE) else pool)
        text = render_row(template, row)
        out.append(Lesson(page.picture, kind, text.instruction, text.response or "", remark))
    return out


@lru_cache(maxsize=64)
def _pool(task: str, form: str) -> tuple[Template, ...]:
    """List the templates of a task for a form."""
    return fitting(_templates().for_task(task), form)
