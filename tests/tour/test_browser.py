"""The page in a real browser. Skipped where there is none; in CI that is a failure."""

import json
import os
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# runs in a copy of the page and leaves its findings in an attribute, which --dump-dom prints
PROBE = """<script>addEventListener('load', () => {
  const wide = [...document.querySelectorAll('main *')].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.wide, pre, svg'))
  document.body.setAttribute('data-found', JSON.stringify({
    images: document.images.length,
    broken: [...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.alt),
    chapters: document.querySelectorAll('section h2').length,
    columns: getComputedStyle(document.querySelector('nav')).display,
    overflow: wide.map(e => e.tagName + '.' + e.className),
    cells: document.querySelectorAll('.slide tbody tr').length }))
})</script></body>"""


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return path


@pytest.mark.parametrize("width", [1400, 800, 500])
def test_page_opens(told, browser, tmp_path, width):
    html = (told[0] / "index.html").read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", PROBE), encoding="utf-8")
    result = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(
        re.search(r'data-found="([^"]*)"', result.stdout)[1].replace("&quot;", '"').replace("&amp;", "&")
    )
    assert found["broken"] == [] and found["images"] == html.count("<img ")
    assert found["chapters"] == 5 and found["cells"] == 6
    assert found["columns"] == "grid"  # the style sheet is in force
    assert found["overflow"] == []
