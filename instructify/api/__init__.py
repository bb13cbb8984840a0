"""What `import instructify` offers: each command as a function, typed, that prints no result.

Each is a thin layer over its command and does what that does, with the same words for the same
things; a mistake raises `UserError`, whose text is one sentence. Functions that need torch import
it when they are called. See docs/python.md.
"""

from instructify.api.data import check, convert, export, plan, score
from instructify.api.models import evaluate, generate, train

__all__ = ["check", "convert", "evaluate", "export", "generate", "plan", "score", "train"]
