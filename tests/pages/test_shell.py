"""The shell: one style for all, everything escaped, nothing from outside."""

import base64
import hashlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify.pages import Head, Identity, json_text, render_page

VALUES = {"sentence": "<i>&", "figures": [], "charts": [], "over_time": [], "members": []}
HEAD = Head(identity=Identity(kind="Run", name="<b>"), date="2026-01-02", about='"a" & <b>')


def page_of(**more: object) -> str:
    return render_page("run.html", HEAD, VALUES, **more).decode()  # type: ignore[arg-type]


def test_the_head_says_kind_name_date_and_version() -> None:
    page = page_of()
    assert '<span class="kind">Run</span> &lt;b&gt;</h1>' in page
    assert '<time datetime="2026-01-02">2026-01-02</time>' in page
    assert re.search(r"instructify \d+\.\d+", page)
    assert page.count('name="theme"') == 3
    assert "&lt;i&gt;&amp;" in page


def test_the_policy_allows_our_style_and_script_and_nothing_else() -> None:
    page = page_of(scripts=["let a = 1 < 2 && 3;"], blocks=[("x", "</script>")])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert style is not None
    assert script is not None
    for part in (style[1], script[1]):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]
    assert "a = 1 < 2 && 3" in script[1]
    assert page.count("</script>") == 2
    assert "script-src" not in page_of().split("</head>")[0]


def test_no_page_has_styles_on_elements_or_addresses_outside() -> None:
    """The policy would drop the first, and nobody may be asked for the second."""
    page = page_of()
    assert " style=" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page


def test_texts_that_have_no_bytes_are_written_with_backslashes() -> None:
    head = Head(identity=Identity(kind="Run", name="a\ud800b"))
    assert b"a\\ud800b" in render_page("run.html", head, VALUES)


@settings(max_examples=40)
@given(
    st.recursive(st.text(), lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside))
)
def test_json_in_a_page_is_the_same_value(value: object) -> None:
    text = json_text(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


@pytest.mark.parametrize("name", ["palette", "parts", "charts"])
def test_every_page_has_the_whole_style(name: str) -> None:
    marks = {"palette": "--accent: light-dark", "parts": ".notice {", "charts": ".plot {"}
    assert marks[name] in page_of()
