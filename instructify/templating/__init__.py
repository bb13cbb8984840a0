"""Templates: YAML files read and checked, rendered by Jinja, and chosen for each draw.

`language` defines the Jinja that a template may use, `filters` its filters. `jinja_program`
compiles a text, `model` has the classes, `load` reads a folder, `rendering` renders a record,
`folders` combines several folders, `plain_text` reads a list of lines, `conditions` decides which
records a template fits, and `draws` chooses a template for each draw.
"""

from instructify.templating.conditions import misfit
from instructify.templating.draws import NO_TEMPLATE, choose_templates
from instructify.templating.filters import (
    MAX_TEXT_BYTES,
    SENTENCE_END,
    RenderError,
    grows_too_long,
    letter,
)
from instructify.templating.folders import (
    BUILT_IN,
    TemplateFolders,
    template_options,
    unknown_pools,
)
from instructify.templating.jinja_program import NullPrintedError, Program, mistakes, program
from instructify.templating.language import FIELDS, Kind
from instructify.templating.load import Mistakes, PlacedTemplate, load_templates, read_file
from instructify.templating.model import (
    MULTITASK,
    PARTS,
    Mode,
    Part,
    Template,
    TemplateSet,
    fitting,
)
from instructify.templating.own_values import own_column, value_of
from instructify.templating.plain_text import GENERATION, PlainTemplate, read_plain
from instructify.templating.rendering import (
    RenderFailedError,
    failure_detail,
    refuses_empty,
    render_row,
)

__all__ = [
    "BUILT_IN",
    "FIELDS",
    "GENERATION",
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
    "PlainTemplate",
    "Program",
    "RenderError",
    "RenderFailedError",
    "SENTENCE_END",
    "Template",
    "TemplateFolders",
    "TemplateSet",
    "choose_templates",
    "failure_detail",
    "fitting",
    "grows_too_long",
    "letter",
    "load_templates",
    "misfit",
    "mistakes",
    "own_column",
    "program",
    "read_file",
    "read_plain",
    "refuses_empty",
    "render_row",
    "template_options",
    "unknown_pools",
    "value_of",
]
