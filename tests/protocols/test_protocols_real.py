"""Prompts, candidates and golds of every protocol on the slices of real releases."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from real_cases import ROOT, raw_root
from typer.testing import CliRunner

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.cli import app
from instructify.metrics.files import is_gold_for
from instructify.protocols.model import Protocol
from instructify.protocols.questions import Questions, read_questions
from instructify.protocols.read import named_protocol
from instructify.templating import TemplateFolders

pytestmark = pytest.mark.skipif(
    ROOT is None, reason="INSTRUCTIFY_REAL_DATA is not set: no real slices to ask about"
)


class Asked(NamedTuple):
    """How many questions a slice gives, and what stands in each prompt.

    Where a slice lacks the protocol's split, `settings` take another one.
    """

    num: int
    text: str
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


CAPTION, SHORT, OPTIONS = "A short image description.", " Short answer:", " Options: (a) "
ASKED = {
    "nocaps": Asked(60, CAPTION),
    "flickr30k": Asked(84, CAPTION),
    "coco_caption": Asked(89, CAPTION, options=("coco_caption.split_source=official",)),
    "gqa": Asked(150, SHORT),
    "vizwiz": Asked(156, SHORT),
    "vqav2": Asked(250, SHORT, settings=("split=train",)),
    "okvqa": Asked(126, SHORT),
    "aokvqa": Asked(150, SHORT, settings=("difficult=keep",)),
    "aokvqa.choice": Asked(150, OPTIONS),
    "scienceqa": Asked(30, OPTIONS),
    "iconqa": Asked(25, OPTIONS),
    "ocr_vqa": Asked(8, SHORT, settings=("split=train",)),
    "textvqa": Asked(8, SHORT),
    "vsr": Asked(100, "Is this statement about the image true or false?"),
    "visdial": Asked(110, SHORT),
    "msvd_qa": Asked(97, SHORT),
}


def protocol_of(name: str) -> Protocol:
    return named_protocol(load_catalog(), name, ASKED[name].settings)


@pytest.fixture(scope="module")
def real_build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build of the splits that are asked about, and of MSVD's train for its vocabulary."""
    out = tmp_path_factory.mktemp("protocols") / "build"
    wanted = {(protocol_of(name).dataset, protocol_of(name).split, one.options)
              for name, one in ASKED.items()}  # fmt: skip
    for dataset, split, options in sorted(wanted):
        words = ["convert", dataset, "--split", split, "--raw", str(raw_root()), "--out", str(out)]
        words += [word for option in options for word in ("--set", option)]
        result = CliRunner().invoke(app, [*words, "--pictures", "none", "--max-rejects", "100"])
        assert result.exception is None, result.exception
    return Build.open(out)


@pytest.mark.parametrize("name", ASKED)
def test_prompts_and_candidates_on_real_records(real_build: Build, name: str) -> None:
    wanted, protocol = ASKED[name], protocol_of(name)
    asked = read_questions(real_build, protocol, load_catalog(), TemplateFolders.of())
    stored = real_build.records(protocol.dataset, protocol.split)
    records = {row["record_id"]: row for row in stored}
    assert len(asked.rows) == wanted.num
    for row in asked.rows:
        record = records[row.id]
        assert wanted.text in row.instruction
        assert "{{" not in row.instruction
        assert (record["question"] or "") in row.instruction
        if record["context"]:
            assert row.instruction.startswith(f"Context: {record['context']} Question: ")
        if record["ocr_tokens"]:
            assert row.instruction.startswith(f"OCR tokens: {record['ocr_tokens'][0]}, ")
        if name == "visdial":
            assert row.instruction.startswith(f"Caption: {record['caption'].rstrip('. ')}. ")
            for turn in record["history"] or ():
                question, answer = turn["question"].rstrip("? "), turn["answer"].rstrip(". ")
                assert f"{question}? {answer}" in row.instruction
    assert any(is_gold_for(row.item, protocol.metric) for row in asked.rows)
    if protocol.candidates is not None:
        check_candidates(asked, protocol, records)


def check_candidates(asked: Questions, protocol: Protocol, records: dict[str, Any]) -> None:
    """Choices are the record's own, labels have their verbalisers, videos share a vocabulary."""
    assert protocol.candidates is not None
    for row in asked.rows:
        assert row.candidates is not None
        found = asked.sets[row.candidates]
        if protocol.candidates.source == "labels":
            assert found.texts == ("yes", "true", "no", "false")
        elif protocol.candidates.source == "choices":
            assert list(found.texts) == records[row.id]["choices"]
            assert len(found.texts) == 100 or protocol.dataset != "visdial"
            assert protocol.form != "multiple_choice" or f"(a) {found.texts[0]}" in row.instruction
        else:
            assert found.values == asked.vocabulary
            assert len(found.values) > 30


def test_a_vocabulary_needs_the_answers_of_train(tmp_path: Path) -> None:
    """MSRVTT-QA's slice has val alone."""
    words = ["convert", "msrvtt_qa", "--split", "val", "--raw", str(raw_root())]
    words += ["--out", str(tmp_path / "build"), "--pictures", "none", "--max-rejects", "100"]
    result = CliRunner().invoke(app, words)
    assert result.exception is None, result.exception
    protocol = named_protocol(load_catalog(), "msrvtt_qa", ["split=val"])
    build = Build.open(tmp_path / "build")
    with pytest.raises(UserError, match="train annotations"):
        read_questions(build, protocol, load_catalog(), TemplateFolders.of())
    free = named_protocol(
        load_catalog(), "msrvtt_qa", ["split=val", "decode.method=generate", "candidates=null"]
    )
    asked = read_questions(build, free, load_catalog(), TemplateFolders.of())
    assert len(asked.rows) == 186
