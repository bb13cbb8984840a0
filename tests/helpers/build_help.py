"""What the tests of builds share: command lines run fast, and builds compared byte by byte."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

SERVER = Path(__file__).with_name("command_server.py")
COMMAND = [sys.executable, "-c", "from instructify.cli import main; main()"]
RELEASES = ("coco_caption", "vqav2", "aokvqa", "visdial", "msvd_qa", "hateful_memes")
DATASETS = ("coco_caption", "vqav2", "aokvqa", "aokvqa_qg", "visdial", "msvd_qa", "hateful_memes")


class Answer(NamedTuple):
    """What came of a command line; `calls` counts the calls that faults could have struck."""

    code: int
    stdout: str
    stderr: str
    calls: int

    def json(self) -> Any:
        return json.loads(self.stdout)


class Commands:
    """Runs command lines in forks of one warm process, which has imported the modules named."""

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *argv: object, fault: tuple[str, str, int] | None = None) -> Answer:
        """Run `instructify argv`; a fault is (kill or an errno's name, call or "any", n)."""
        named = None if fault is None else dict(zip(("kind", "call", "at"), fault, strict=True))
        request = {"argv": [str(one) for one in argv], "fault": named}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Answer(**json.loads(self._process.stdout.readline()))

    def __enter__(self) -> "Commands":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


def start(*argv: object, **environment: str) -> "subprocess.Popen[str]":
    """Start a command line in a process and process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *(str(one) for one in argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts() -> None:
    """Take SIGINT as a shell's foreground does; what runs in the background may ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def tree(build: Path) -> dict[str, str]:
    """Hash every file of a build but the lock and the notes about this machine."""
    return {
        path.relative_to(build).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(build.rglob("*"))
        if path.is_file() and path.name != ".lock" and not _is_local(path, build)
    }


def stamps(build: Path) -> dict[str, int]:
    """When each file of a build was last written."""
    return {name: (build / name).stat().st_mtime_ns for name in tree(build)}


def manifest(build: Path) -> dict[str, Any]:
    """Read a manifest as plain values."""
    value: dict[str, Any] = json.loads((build / "manifest.json").read_text("utf-8"))
    return value


def ledger(build: Path, name: str) -> list[dict[str, Any]]:
    """Read the rejects of a dataset."""
    return [json.loads(line) for line in (build / "rejects" / f"{name}.jsonl").open("rb")]


def is_sentence(answer: Answer) -> bool:
    """Whether stderr is one message of ours, without a traceback."""
    lines = answer.stderr.splitlines()
    return len(lines) == 1 and lines[0].startswith("instructify: ") and len(lines[0]) > 20


def difference(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Name the files that two trees do not share."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _is_local(path: Path, build: Path) -> bool:
    return path.relative_to(build).parts[:2] == ("pictures", "local")
