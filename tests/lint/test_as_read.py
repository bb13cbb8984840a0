"""What lint takes a tokenizer to read is what BERT's own normaliser and pre-tokenizer read."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from instructify.lint.as_read import as_bert_reads, as_t5_reads

tokenizers = pytest.importorskip("tokenizers")
NORMALIZER = tokenizers.normalizers.BertNormalizer(lowercase=True)
PRE_TOKENIZER = tokenizers.pre_tokenizers.BertPreTokenizer()
# The text pieces of sentencepiece's own rule that need no table: NFKC, then runs to one blank.
T5 = tokenizers.normalizers.Sequence(
    [
        tokenizers.normalizers.NFKC(),
        tokenizers.normalizers.Replace(tokenizers.Regex(r"\s+"), " "),
        tokenizers.normalizers.Strip(),
    ]
)
WRITTEN = st.text(st.sampled_from('aZ \u00e9\n\t.,:("-0\u4e2d\u2019\u00a0'), max_size=24)
# Scripts whose marks no version of Unicode has changed.
COMMON = st.characters(max_codepoint=0x52F, exclude_categories=["Cn", "Cs", "Co"])


def of_bert(text: str) -> str:
    pieces = PRE_TOKENIZER.pre_tokenize_str(NORMALIZER.normalize_str(text))
    return " ".join(piece for piece, _ in pieces)


@settings(deadline=None)
@example("A\u03a3")
@given(st.one_of(WRITTEN, st.text(COMMON, max_size=12)))
def test_bert_reads_it_so(text: str) -> None:
    assert as_bert_reads(text) == of_bert(text)


@settings(deadline=None)
@given(WRITTEN)
def test_t5_reads_it_so(text: str) -> None:
    assert as_t5_reads(text) == T5.normalize_str(text)


def test_a_line_break_is_a_blank_to_both() -> None:
    text = "OCR tokens: Coca,  COLA\n\nWrite it."
    assert as_bert_reads(text) == "ocr tokens : coca , cola write it ."
    assert as_t5_reads(text) == "OCR tokens: Coca, COLA Write it."
