"""Find everything that is wrong with templates in one run: in their source, in renderings, in a
build.

`run.lint` reads a folder as a conversion does, but continues after a mistake. `texts` checks the
source of one template, `renders` its renderings of probe records, `separators` fields that run
together once they are tokenized, `pools` templates against each other, `variety` how varied they
are, `prompts` the evaluation prompts, and `usage` what a build drew. A finding names file, line and
template, and says what to do.
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
