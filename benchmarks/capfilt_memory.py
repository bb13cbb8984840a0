"""Peak memory of converting a web caption list, and of one eight times as long.

    python benchmarks/capfilt_memory.py [NUM_RECORDS]

The list is one JSON array, as the authors publish it; `--pictures none`.
"""

import sys
import tempfile
from pathlib import Path

from measure import HEADER, line, run_once

INSTRUCTIFY = str(Path(sys.executable).with_name("instructify"))
_WORDS = ("a", "red", "small", "photo", "of", "two", "dogs", "on", "the", "beach", "with", "hats")


def write_list(path: Path, num_records: int) -> None:
    """Write captions of 3 to 12 words with distinct urls, deterministic, in bounded memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        handle.write("[")
        for start in range(0, num_records, 10_000):
            rows = [_row(number) for number in range(start, min(start + 10_000, num_records))]
            handle.write(("" if start == 0 else ", ") + ", ".join(rows))
        handle.write("]")


def _row(number: int) -> str:
    words = [_WORDS[(number * 7 + place * place) % 12] for place in range(3 + number % 10)]
    url = f"https://pictures{number % 97}.example.org/{number:08d}/photo.jpg?width=640"
    return f'{{"url": "{url}", "caption": "{" ".join(words)} {number}"}}'


def main(num_records: int) -> None:
    """Measure both sizes and print a table."""
    peaks = []
    print(HEADER)
    for factor in (1, 8):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            write_list(root / "raw/web_capfilt/ccs_synthetic_filtered.json", num_records * factor)
            command = [INSTRUCTIFY, "convert", "web_capfilt", "--raw", str(root / "raw")]
            command += ["--out", str(root / "build"), "--pictures", "none"]
            run = run_once(command)
        peaks.append(run.peak_mb)
        print(line(f"{num_records * factor:,} records", [run]))
    print(f"memory at eight times the records: {peaks[1] / peaks[0]:.2f}x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 250_000)
