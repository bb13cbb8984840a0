"""The Python API of `import instructify`: each command as a typed function that prints no result.

Each function is a thin layer over its command, and its arguments are named like the options. A
mistake raises `UserError`, whose text is one sentence. Functions that need torch import it when
they are called. See docs/python.md.
"""

from instructify.api.data import check, convert, export, plan, score
from instructify.api.models import evaluate, generate, train

__all__ = ["check", "convert", "evaluate", "export", "generate", "plan", "score", "train"]
