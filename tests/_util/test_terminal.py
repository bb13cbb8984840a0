"""Nothing that a command prints moves a cursor, hides a line or turns its direction."""

import contextlib
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify._util.terminal import bar_stream, harmless, harmless_output

OBEYED = (
    "\x1b[2J", "\x9b2K", "\x90q\x9c", "\r", "\b", "\x7f", "\0", "\x07", "\x85", "\u202e", "\u2066",
    "\u200f", "\u061c", "\u2028", "\u2029", "\U000e0041", "\udcff", "\ufff9",
)  # fmt: skip
KEPT = "a line\n\tcaf\u00e9 \u4f60\u597d\u3000\U0001f469\u200d\U0001f680 \u0645\u06cc\u200c\u062e"


@pytest.mark.parametrize("text", OBEYED, ids=ascii)
def test_what_a_terminal_obeys_is_shown_instead(text: str) -> None:
    shown = harmless(f"before{text}after")
    assert shown.startswith("before\\u")
    assert shown.endswith("after")
    assert shown.isprintable()


def test_ordinary_text_of_any_language_stays() -> None:
    assert harmless(KEPT) == KEPT


@given(st.text())
def test_json_keeps_its_values(text: str) -> None:
    for ascii_only in (True, False):
        shown = harmless(json.dumps([text], ensure_ascii=ascii_only, indent=1))
        assert json.loads(shown) == [text]
        assert harmless(shown) == shown


def test_both_streams_pass_it_and_come_back() -> None:
    before = sys.stdout, sys.stderr
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        with harmless_output(), harmless_output():
            print("one\x1b[2J", "two\u202e")
            print("three\r", file=sys.stderr)
            bar_stream().write("\rbar")
            sys.stdout.writelines(["four\x9b", "\n"])
        print("\x1b", end="")
    assert stdout.getvalue() == "one\\u001b[2J two\\u202e\nfour\\u009b\n\x1b"
    assert stderr.getvalue() == "three\\u000d\n\rbar"
    assert (sys.stdout, sys.stderr) == before


def test_a_terminal_without_these_letters_gets_escapes() -> None:
    sink = io.BytesIO()
    stream = io.TextIOWrapper(sink, "ascii")
    with contextlib.redirect_stdout(stream), harmless_output():
        print(json.dumps(["caf\u00e9"], ensure_ascii=False))
        sys.stdout.flush()
    assert sink.getvalue() == b'["caf\\u00e9"]\n'
