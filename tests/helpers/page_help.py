"""What the tests of pages share: a build with hostile texts, its page, and the values in a page."""

import json
import re
from pathlib import Path
from typing import Any

from build_help import Commands

from instructify.twins.make import make_twin

# What would break a page that takes data for markup, script or direction.
HOSTILE = (
    '</script><img src=x onerror="document.title=1">',
    "<script>alert(1)</script>&lt;b&gt;",
    "line\u2028end\u2029s \u202egnp.exe\u202c \u0000nul \u001besc",
    "<image> </s> [SEP] {{ answer }} <!-- <![CDATA[",
)
LONG = " ".join(f"word{at}" for at in range(200))


def make_hostile_build(command: Commands, place: Path) -> Path:
    """Make a build at `place/build` with such questions, a cut one, clips, and rejects."""
    raw = place / "raw"
    make_twin(["vqav2", "msvd_qa"], raw, scale=0.15)
    path = next(raw.glob("vqav2/*train2014_questions.json"))
    value = json.loads(path.read_text("utf-8"))
    for question, text in zip(value["questions"], (*HOSTILE, LONG), strict=False):
        question["question"] = f"{text} Which colour?"
    value["questions"][-1]["question"] = "  "
    path.write_text(json.dumps(value), "utf-8")
    damage = sorted(raw.glob("coco/train2014/*.jpg"))[-1]
    damage.write_bytes(damage.read_bytes()[:-400])
    line = ("convert", "vqav2", "msvd_qa", "--raw", raw, "--out", place / "build")
    answer = command(*line, "--draws", 1, "--max-rejects", 50)
    assert answer.code == 0, answer.stderr
    return place / "build"


def blocks(page: Path) -> dict[str, Any]:
    """Read the JSON blocks of a page as any parser of HTML finds them."""
    text = page.read_text("utf-8")
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script', text, re.S)
    return {name: json.loads(inside) for name, inside in found}


def rows(page: Path, kind: str) -> list[Any]:
    """Put the blocks of a kind together."""
    found = blocks(page)
    names = sorted(
        (name for name in found if re.fullmatch(rf"{kind}-\d+", name)),
        key=lambda name: int(name.rpartition("-")[2]),
    )
    return [one for name in names for one in found[name]]
