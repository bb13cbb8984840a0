"""Pages near each other: which belong together, and that a stranger's file is only text."""

from pathlib import Path

import pytest

from instructify.pages import Head, Identity, Link, date_of, find_links, render_page

PLAN = Identity(kind="Plan", name="paper", build="build")
RUN = Identity(kind="Run", name="run", build="build", runs=("run",))
RESULTS = Identity(kind="Results", name="results", runs=("run",))
OTHER = Identity(kind="Plan", name="paper", build="another")


def write(path: Path, identity: Identity) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"sentence": "", "figures": [], "charts": [], "over_time": [], "members": []}
    path.write_bytes(render_page("run.html", Head(identity=identity), values))
    return path


def hrefs(page: Path, identity: Identity) -> list[str]:
    return [link.href for link in find_links(page, identity)]


def test_pages_of_a_build_its_runs_and_their_results_find_each_other(tmp_path: Path) -> None:
    plan = write(tmp_path / "plan.html", PLAN)
    run = write(tmp_path / "runs & more" / "report.html", RUN)
    results = write(tmp_path / "results.html", RESULTS)
    write(tmp_path / "other.html", OTHER)
    assert find_links(plan, PLAN) == [
        Link("results.html", "Results", "results"),
        Link("runs%20%26%20more/report.html", "Run", "run"),
    ]
    assert hrefs(results, RESULTS) == ["plan.html", "runs%20%26%20more/report.html"]
    assert hrefs(run, RUN) == ["../plan.html", "../results.html"]


def test_a_page_that_is_not_there_yet_is_linked_to_the_others(tmp_path: Path) -> None:
    write(tmp_path / "plan.html", PLAN)
    assert hrefs(tmp_path / "new.html", RUN) == ["plan.html"]
    assert hrefs(tmp_path / "no" / "folder.html", RUN) == []
    assert hrefs(tmp_path / "new.html", Identity(kind="Plan", name="x")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        '<meta name="instructify" content="{">',
        '<meta name="instructify" content="[]">',
        '<meta name="instructify" content="{&#34;kind&#34;:1}">',
        '<meta name="instructify" content="' + "[" * 3000 + '">',
        "x" * 5000 + '<meta name="instructify" content="{}">',
    ],
)
def test_other_files_are_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.html").write_text(text)
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "gone.html").symlink_to(tmp_path / "nothing")
    assert hrefs(tmp_path / "page.html", PLAN) == []


def test_names_of_a_stranger_are_text(tmp_path: Path) -> None:
    hostile = Identity(kind='"><script>', name="</title><b>" + "x" * 500, build="build")
    write(tmp_path / "javascript:alert(1).html", hostile)
    links = find_links(tmp_path / "page.html", PLAN)
    assert [link.href for link in links] == ["javascript%3Aalert%281%29.html"]
    assert len(links[0].name) == 80
    values = {"sentence": "", "figures": [], "charts": [], "over_time": [], "members": []}
    page = render_page("run.html", Head(identity=PLAN, links=links), values).decode()
    assert "<script" not in page
    assert "</title><b>" not in page


def test_a_date_is_that_of_the_file(tmp_path: Path) -> None:
    assert date_of(tmp_path / "nothing") is None
    assert len(date_of(tmp_path) or "") == len("2026-01-01")
