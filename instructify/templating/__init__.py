"""Templates: YAML files read and checked, rendered by Jinja, and chosen for each draw.

`language` says which Jinja a template may use, `filters` which filters; `jinja_program` compiles
one text, `load` reads a folder of files, `draws` chooses a template for each draw of a record.
"""

from instructify.templating.draws import NO_TEMPLATE, choose_templates
from instructify.templating.filters import (
    MAX_TEXT_BYTES,
    SENTENCE_CLOSERS,
    SENTENCE_ENDS,
    SENTENCE_LOOSE_ENDS,
    RenderError,
    letter,
)
from instructify.templating.jinja_program import NullPrintedError, Program, mistakes, program
from instructify.templating.language import FIELDS, Kind
from instructify.templating.load import (
    MULTITASK,
    PARTS,
    Mistakes,
    Mode,
    Part,
    PlacedTemplate,
    RenderFailedError,
    Template,
    TemplateSet,
    failure_detail,
    fitting,
    load_templates,
    read_file,
    refuses_empty,
    render_row,
)

__all__ = [
    "FIELDS",
    "Kind",
    "MAX_TEXT_BYTES",
    "MULTITASK",
    "Mistakes",
    "Mode",
    "NO_TEMPLATE",
    "NullPrintedError",
    "PARTS",
    "Part",
    "PlacedTemplate",
    "Program",
    "RenderError",
    "RenderFailedError",
    "SENTENCE_CLOSERS",
    "SENTENCE_ENDS",
    "SENTENCE_LOOSE_ENDS",
    "Template",
    "TemplateSet",
    "choose_templates",
    "failure_detail",
    "fitting",
    "letter",
    "load_templates",
    "mistakes",
    "program",
    "read_file",
    "refuses_empty",
    "render_row",
]
