"""Memory of an export as the samples grow: text alone, a size and eight times that.

python benchmarks/export_memory.py [NUM_SAMPLES]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import HEADER, line, run_once
from vqav2_raw import write_vqav2

INSTRUCTIFY = [sys.executable, "-c", "from instructify.cli import main; main()"]
SHAPES = ("llava", "chat", "webdataset", "parquet")


def main(num_samples: int) -> None:
    """Measure both sizes of every shape and print a table."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_vqav2(root / "raw" / "vqav2", 8 * num_samples)
        convert = [*INSTRUCTIFY, "convert", "vqav2", "--split", "train", "--draws", "1"]
        convert += ["--raw", str(root / "raw"), "--out", str(root / "build"), "--pictures", "none"]
        subprocess.run(convert, check=True, capture_output=True)
        print(HEADER)
        for shape in SHAPES:
            peaks = []
            for factor in (1, 8):
                out = root / f"{shape}-{factor}"
                command = [*INSTRUCTIFY, "export", str(root / "build"), "--to", shape]
                command += ["--no-pictures", "--limit", str(num_samples * factor)]
                run = run_once([*command, "--out", str(out)])
                peaks.append(run.peak_mb)
                print(line(f"{shape}, {num_samples * factor:,} samples", [run]))
            print(f"{shape}: {peaks[1] / peaks[0]:.2f}x the memory at eight times the samples")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 125_000)
