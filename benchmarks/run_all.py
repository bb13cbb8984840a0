"""Runs every benchmark, one after the other, as `make bench` does; takes about twenty minutes."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    *(
        "render",
        "convert_vqav2",
        "convert_jobs",
        "convert_own",
        "convert_scale",
        "export_parts",
        "capfilt_memory",
        "mixture",
        "check_pictures",
    ),
    *("web_pictures", "picture_memory"),
    *("metrics", "ranking", "restrict", "overlap_exact", "export_memory", "export_pictures"),
    *("inspect_page", "read_samples", "train_step"),
)


def main() -> None:
    """Stop at the first that fails."""
    for name in SCRIPTS:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py"))], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
