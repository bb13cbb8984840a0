"""How much several processes gain on one large file of the user's own data.

    python benchmarks/convert_own.py [ROUNDS] [NUM_CONVERSATIONS] [list|lines|parquet]

The work: conversations of one to twelve rounds in one file, about 1.6 kB each as a list (640,000
are 1 GB), converted without pictures by one process and by two, in turn.
"""

import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from measure import HEADER, line, run_in_turn

INSTRUCTIFY = str(Path(sys.executable).with_name("instructify"))
NAMES = {"list": "chat.json", "lines": "chat.jsonl", "parquet": "chat.parquet"}
ENTRY = """
format: 1
datasets:
  chat:
    task: llava_instruct
    data: {{file: {name}, kind: conversations}}
"""
WORDS = (
    *("the", "a", "man", "dog", "cat", "red", "blue", "what", "is", "how", "many"),
    *("people", "are", "there", "on", "table", "near", "yes", "no"),
)
GROUP_ROWS = 20_000


def conversations(number: int) -> Iterator[dict[str, Any]]:
    """Make conversations as in LLaVA's data: short questions, few long answers."""
    chance = random.Random(1)
    short = [" ".join(chance.choices(WORDS, k=chance.randint(3, 14))) for _ in range(3000)]
    long = [" ".join(chance.choices(WORDS, k=chance.randint(80, 250))) for _ in range(1000)]
    for at in range(number):
        rounds = chance.choice((1, 1, 1, 2, 3, 4, 6, 10, 12))
        turns = []
        for place in range(rounds):
            asked = ("" if place else "<image>\n") + chance.choice(short) + "?"
            answer = chance.choice(long if rounds < 4 else short)
            turns += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
        yield {"id": f"{at:09}", "image": f"{at % 120_000:012}.jpg", "conversations": turns}


def write(path: Path, number: int, kind: str) -> None:
    """Write the file."""
    items = conversations(number)
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(list(items)), path, row_group_size=GROUP_ROWS)
        return
    with path.open("w", encoding="utf-8") as file:
        if kind == "lines":
            file.writelines(json.dumps(item) + "\n" for item in items)
            return
        for place, item in enumerate(items):
            file.write((",\n" if place else "[\n") + json.dumps(item, indent=2))
        file.write("\n]\n")


def main(rounds: int, number: int, kind: str) -> None:
    """Measure in turn and print medians."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        path = root / "raw" / "chat" / NAMES[kind]
        path.parent.mkdir(parents=True)
        write(path, number, kind)
        (root / "mine.yaml").write_text(ENTRY.format(name=path.name), encoding="utf-8")
        common = [INSTRUCTIFY, "convert", "chat", "--catalog", str(root / "mine.yaml")]
        common += ["--raw", str(root / "raw"), "--pictures", "none", "--out", str(root / "build")]
        runs = run_in_turn(
            {f"--jobs {jobs}": [*common, "--jobs", str(jobs)] for jobs in (1, 2)},
            rounds,
            lambda name: shutil.rmtree(root / "build", ignore_errors=True),
        )
        print(f"{number:,} conversations, {path.stat().st_size / 1e6:.0f} MB of {kind}")
        print(HEADER)
        for name, own in runs.items():
            print(line(name, own))


if __name__ == "__main__":
    rounds, number, kind = [*sys.argv[1:], *("3", "160000", "list")[len(sys.argv) - 1 :]]
    main(int(rounds), int(number), kind)
