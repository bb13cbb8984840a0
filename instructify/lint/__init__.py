"""What is wrong with templates, all of it at once: by their source, by rendering, by a build.

`run.lint` reads a folder as a conversion does, but goes on behind a mistake. `texts` judges one
template's source, `renders` what it makes of probe records, `separators` what runs together as
tokenizers read it, `pools` templates beside each other and `variety` how varied they are, `prompts`
those of evaluation, `usage` what a build drew. A finding names file, line, template and what to do.
"""

from instructify.lint.finding import Finding
from instructify.lint.run import LintReport, lint
from instructify.lint.usage import INSTRUCTION_TOKENS, RESPONSE_TOKENS, Lengths, TaskUse, Usage
from instructify.lint.variety import Variety

__all__ = [
    "Finding",
    "INSTRUCTION_TOKENS",
    "Lengths",
    "LintReport",
    "RESPONSE_TOKENS",
    "TaskUse",
    "Usage",
    "Variety",
    "lint",
]
