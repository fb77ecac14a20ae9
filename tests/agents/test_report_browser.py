"""The pages in a real browser, at a telephone's width; skipped where none is installed."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.report import render_leaderboard, render_report
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome nor chrome is on the PATH")

WIDTH = 390
PROBE = Path(__file__).with_name("report_probe.js")
LONG = f"rule:smallest:fraction=0.6:rounds={10**60}:tie=high:quiet=true"
METHODS = (LONG, "rule:random", "solver:exact", "rule:seer")
# A frame's page cannot be read from outside it, so it reports by message; the canary shows that errors are caught.
# One page after the other, since only one can have the focus.
OUTER = """<!DOCTYPE html><title>nothing</title>
<iframe style="width:{width}px;height:800px;border:0"></iframe>
<script>
console.error("canary");
const pages = {pages}, seen = [], frame = document.querySelector("iframe");
addEventListener("message", (event) => {{
  seen.push(event.data);
  document.title = JSON.stringify(seen);
  if (seen.length < pages.length) frame.src = pages[seen.length];
}});
frame.src = pages[0];
</script>"""


@pytest.fixture
def folders(tmp_path, sack, monkeypatch):
    def picture(instance, solution, title):
        items = (
            f'<rect x="{9 * k}" width="8" height="20"><title>item {k}</title></rect>' for k in range(instance.size.size)
        )
        return f'<svg viewBox="0 0 100 30">{"".join(items)}</svg>'

    monkeypatch.setattr(sys.modules["sack_family"], "FAMILY", replace(sack.FAMILY, picture=picture))
    get_family.cache_clear()
    made = []
    for name, instances in (("first", [f"s{index:02d}" for index in range(16)]), ("second", ["s01", "s02"])):
        about = "a long about " + "word" * 60
        suite = Suite(name, "test", about, "sack", ("count", "slack"), {"": instances}, METHODS, (0, 1))
        folder = new_folder(tmp_path / name, "", False)
        run(plan_run(suite), folder, "evaluate " + "argument" * 40)
        results = load_results(folder.folder)
        # An image that got into the page would be refused by its policy, and tell the console.
        rows = [replace(row, status="</script><img src=x onerror=alert(1)>") for row in results.rows]
        made.append(replace(results, rows=rows))
    return made


def opened(pages, tmp_path):
    """Open pages with the probe in them, all in one browser, and return what each probe saw."""
    probe = PROBE.read_text(encoding="utf-8")
    addresses = []
    for index, page in enumerate(pages):
        assert page.count("</body>") == 1
        inner = tmp_path / f"{index}.html"
        inner.write_text(page.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
        addresses.append(inner.as_uri())
    outer = tmp_path / "outer.html"
    outer.write_text(OUTER.format(pages=json.dumps(addresses), width=WIDTH), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=8000", "--dump-dom", outer.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, encoding="utf-8", errors="replace")
    if "canary" not in done.stdout:
        # As where the browser is confined to folders of its own.
        pytest.skip(f"{BROWSER} could not open {outer}: {done.stderr[-300:]}")
    console = re.findall(r"CONSOLE.*", done.stderr)
    assert [line for line in console if "canary" not in line] == []
    assert len(console) == 1, done.stderr[-2000:]
    return json.loads(unescape(re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)[1]))


def test_pages_work_in_a_browser(folders, tmp_path):
    pages = [render_report(folders[0], charts=4), render_leaderboard(folders, charts=2)]
    report, leaderboard = opened(pages, tmp_path)
    check_report(report)
    check_fit(leaderboard)
    assert leaderboard["count"] == "100 of 256 shown"


def check_fit(seen):
    """Assert that a page is no wider than the telephone and that every plot and picture has a place."""
    assert "error" not in seen, seen
    assert seen["width"] == WIDTH
    assert max(seen["page"], seen["body"], seen["after"]) <= WIDTH
    assert {kind for kind, *_ in seen["plots"]} == {"plot bands", "plot xy", "plot square", "picture"}
    assert all(wide > 100 and high > 20 for _, wide, high in seen["plots"])


def check_report(seen):
    """Assert that tables sort, that marks speak, that the legend hides, and that rows are found."""
    check_fit(seen)
    assert seen["up"] == sorted(seen["up"])
    assert seen["down"] == seen["up"][::-1]
    assert seen["up"][0] < seen["up"][-1]
    assert seen["order"] == "descending"

    assert re.fullmatch(r"s00 · rule:\S+\nvalue [\d.]+ · gap \d+\.\d\d % · [\d.e-]+ s", seen["dot"])
    assert seen["away"] is seen["escaped"] is None
    assert seen["picture"] == "item 0"
    assert seen["last"].startswith("rule:seer: mean 0")
    assert seen["before"].startswith("s15 · rule:seer")

    assert seen["all"] == seen["again"] == {"rows": 4, "bands": 4, "height": 282, "curves": 8, "heads": 8}
    assert seen["hidden"] == {"rows": 3, "bands": 3, "height": 224, "curves": 6, "heads": 6}
    assert seen["pressed"] == "false"
    assert seen["count"] == "100 of 256 shown"
    assert seen["fewer"] == "100 of 192 shown"
    assert seen["more"] == 256
    numbers = [float(text) for text in seen["values"]]
    assert numbers == sorted(numbers)
    assert len(seen["filtered"]) == 4
    assert {tuple(row[:1] + row[2:3]) for row in seen["filtered"]} == {("s12", "solver:exact")}

    (first, words), (second, other) = seen["versus"]
    assert (first, second) == (16, 16)
    assert words != other
    assert re.match(rf"{LONG} is better on \d+, equal on \d+, solver:exact on \d+ of 16", other)
