"""`verify`: check the files of a build, and print one line for each finding."""

import json
from pathlib import Path

from instructify._util.wording import counted
from instructify.build import Build, check_build


def run_verify(folder: Path, *, as_json: bool) -> int:
    """Print the findings of a build; returns 1 if there are findings, else 0."""
    build = Build.open(folder)
    findings = list(check_build(build))
    if findings:
        build.check_current()
    files, pictures = build.manifest.files, build.manifest.pictures
    referenced = pictures.referenced
    if as_json:
        rows = [finding._asdict() for finding in findings]
        value = {"files": len(files), "findings": rows, "not_looked_at": referenced}
        print(json.dumps(value, indent=1))
    else:
        for finding in findings:
            print(f"{finding.file} {finding.what}")
        total = sum(entry.size_bytes for entry in files.values())
        state = counted(len(findings), "finding") if findings else "all whole"
        summary = f"{folder}: {counted(len(files), 'file')}, {total / 1e6:,.1f} MB, {state}"
        left = f"; {counted(referenced, 'referenced picture')} not looked at" if referenced else ""
        print(summary + left)
        if build.pending is not None:
            print(
                "a commit is written down but not finished: instructify reads the new build, other "
                "programs may not; the next convert or retemplate finishes it"
            )
    return 1 if findings else 0
