"""The command line: parse, call, print. Heavy imports stay inside the commands.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 findings or a
threshold passed, 2 a mistake of the user, 130 and 143 interrupted.
"""

import functools
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
import typer.core

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.exit import exit_now
from instructify._util.terminal import harmless_output, shortened
from instructify.cli import data, evaluation, inspection, share, training

__all__ = ["app", "main"]

# `--help` lists the commands in this order, from raw data to scores.
_COMMANDS = (
    data.import_data,
    data.catalog,
    data.twin,
    data.check,
    data.convert,
    data.retemplate,
    data.import_templates,
    inspection.inspect,
    inspection.lint,
    inspection.overlap,
    inspection.explain,
    inspection.diff,
    inspection.verify,
    share.export,
    training.plan,
    training.teach_towers,
    training.train,
    training.merge,
    training.import_checkpoint,
    training.export_checkpoint,
    training.check_model,
    training.generate,
    evaluation.protocols,
    evaluation.evaluate,
    evaluation.results,
    evaluation.score,
    training.demo,
)

# Of a message, which may show a text of a file of any size; the advice stands at its end.
_MOST_LETTERS = 4_000

# The commands that keep finished work when they are stopped, and how to continue them.
_GOES_ON = {
    "convert": "; the same command goes on where it stopped",
    "eval": "; the same command with --resume goes on where it stopped",
    "train": "; the same command with --resume goes on",
}


class _Commands(typer.core.TyperGroup):
    """Reports which command a signal stopped; Typer alone would end at Ctrl-C without a message."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a signal that ends it raises an error with the name of the command."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort):
            raise _StoppedError("stopped", ctx.invoked_subcommand, 130) from None
        except _TerminatedError:
            raise _StoppedError("terminated", ctx.invoked_subcommand, 143) from None


def _harmless(command: Callable[..., object]) -> Callable[..., object]:
    """Wrap a command so that it prints no control sequences; the help may have colours."""

    @functools.wraps(command)
    def guarded(*args: object, **options: object) -> object:
        gc.enable()
        with harmless_output():
            return command(*args, **options)

    return guarded


app = typer.Typer(
    name="instructify",
    cls=_Commands,
    help="Raw vision-language releases into instruction-tuning data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_NAMES = {"evaluate": "eval", "import_data": "import"}  # these names are taken in Python
for _command in _COMMANDS:
    app.command(_NAMES.get(_command.__name__))(_harmless(_command))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit()


def main() -> None:
    """Run the command line; a mistake of the user gives one sentence on stderr."""
    signal.signal(signal.SIGTERM, _terminated)
    gc.disable()  # until the command runs: what Typer makes of the commands stays in memory
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        _leave(str(error), 2)
    except _StoppedError as stopped:
        print(f"instructify: {stopped}", file=sys.stderr)
        exit_now(stopped.code)
    except _TerminatedError:  # before a command began
        _leave("terminated", 143)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _leave(f"{where}{error.strerror or error}; correct that and run the same command again", 2)
    except typer.TyperException as error:
        message = error.format_message()
        if not message:  # no command was given, and the help was shown
            raise SystemExit(2) from None
        _leave(f"{message}{'' if message[-1] in '.?' else '.'} Try --help.", 2)
    except Exception:
        traceback.print_exc()
        _end(1)
    _end(code if isinstance(code, int) else 0)


class _TerminatedError(BaseException):
    """SIGTERM arrived."""


class _StoppedError(Exception):
    """A signal ended a command; the message says so, and how to continue the command."""

    def __init__(self, how: str, command: str | None, code: int) -> None:
        super().__init__(how + _GOES_ON.get(command or "", ""))
        self.code = code


def _terminated(number: int, frame: FrameType | None) -> None:
    raise _TerminatedError


def _leave(message: str, code: int) -> NoReturn:
    with harmless_output():
        print(f"instructify: {shortened(message, _MOST_LETTERS)}", file=sys.stderr)
    _end(code)


def _end(code: int) -> NoReturn:
    """Exit with a code, without the interpreter's shutdown.

    It takes a tenth of a second, and torch could block it. But after a run of training, trackers
    finish their work there.
    """
    if code == 0 and "torch" in sys.modules and "WORLD_SIZE" not in os.environ:
        raise SystemExit(0)
    try:
        exit_now(code)
    except (OSError, ValueError):  # stdout is gone, and the interpreter reports that
        raise SystemExit(code) from None
