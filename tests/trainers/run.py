"""Reads exports with the trainers themselves, each in an environment of its own.

    python tests/trainers/run.py ENVIRONMENTS [TRAINER...]     as `make check-exports` does

Twins are converted and exported; then every sample of every dataset is read back by the code that
a trainer loads its data with, and compared: texts, number and bytes of pictures.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "helpers"))

from build_help import Commands  # noqa: E402
from export_help import HOSTILE, expected, make_odd_build  # noqa: E402

TRAINERS = ("energon", "trl", "llamafactory", "swift")
HOSTILE_IN_CHAT = HOSTILE.replace("<image>", "< image>").replace("<img>", "< img>")


def write_case(place: Path) -> Path:
    """Make a build and its exports, and note what must be in them."""
    with Commands() as command:
        build = make_odd_build(command, place)
        for to in ("webdataset", "chat"):
            answer = command("export", build, "--to", to, "--out", place / to)
            if answer.code:
                raise SystemExit(answer.stderr)
    given = []
    for (name, split), rows in expected(build).items():
        for row, pictures in rows:
            instruction, response = row["instruction"], row["response"]
            given.append(
                {
                    "sample_id": row["sample_id"],
                    "dataset": name,
                    "split": split,
                    "instruction": instruction,
                    "chat": instruction.replace(HOSTILE, HOSTILE_IN_CHAT),
                    "response": response,
                    "answers": row["references"] if response is None else [response],
                    "pictures": pictures,
                }
            )
    case = {"tars": str(place / "webdataset"), "chat": str(place / "chat"), "given": given}
    path = place / "case.json"
    path.write_text(json.dumps(case), "utf-8")
    return path


def main(environments: Path, trainers: list[str]) -> int:
    """Run the checks; the first line of each says what was read."""
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        case = write_case(Path(scratch))
        for trainer in trainers or TRAINERS:
            python = environments.absolute() / trainer / "bin" / "python"
            program = HERE / f"{trainer}_check.py"
            done = subprocess.run(
                [str(python), str(program), str(case)],
                capture_output=True,
                text=True,
                cwd=scratch,
                env={name: held for name, held in os.environ.items() if name != "PYTHONPATH"},
            )
            print(f"{trainer}: {done.stdout.strip().splitlines()[-1:] or ''}", flush=True)
            if done.returncode:
                failed.append(trainer)
                print(done.stderr[-3_000:], file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
