"""instructify: raw vision-language releases into instruction-tuning data.

    import instructify

    build = instructify.convert("vqav2", raw="raw", out="build")
    build.samples("vqav2", "train")[-1]

`convert`, `check`, `plan`, `export`, `score`, `train`, `evaluate` and `generate` do what the
commands of these names do (docs/python.md). They are loaded when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instructify._util.errors import UserError
    from instructify.api import check, convert, evaluate, export, generate, plan, score, train
    from instructify.build import Build, RejectsError

__version__ = "0.1.0"
__all__ = [
    "Build",
    "RejectsError",
    "UserError",
    "__version__",
    "check",
    "convert",
    "evaluate",
    "export",
    "generate",
    "plan",
    "score",
    "train",
]

_ELSEWHERE = {
    "Build": "instructify.build",
    "RejectsError": "instructify.build",
    "UserError": "instructify._util.errors",
}


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module 'instructify' has no attribute '{name}'")
    return getattr(import_module(_ELSEWHERE.get(name, "instructify.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
