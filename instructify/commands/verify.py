"""`verify`: the findings of a build, one line each."""

import json
from pathlib import Path

from instructify.build.check import check_build
from instructify.build.opened import Build


def run_verify(folder: Path, *, as_json: bool) -> int:
    """Print what is wrong with a build; returns 0 for nothing, 1 otherwise."""
    build = Build.open(folder)
    findings = list(check_build(build))
    files = build.manifest.files
    if as_json:
        rows = [finding._asdict() for finding in findings]
        print(json.dumps({"files": len(files), "findings": rows}, indent=1))
    else:
        for finding in findings:
            print(f"{finding.file} {finding.what}")
        total = sum(entry.size_bytes for entry in files.values())
        state = "all whole" if not findings else f"{len(findings)} findings"
        print(f"{folder}: {len(files):,} files, {total / 1e6:,.1f} MB, {state}")
    return 1 if findings else 0
