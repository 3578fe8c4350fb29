"""The page in a real browser: no request, no script error, nothing wider than the screen, hostile text as text."""

import os
import shutil
from pathlib import Path

import pytest

from bezoar.report import bench, compare, compared, html
from sample_grids import GRIDS, hostile, whole, with_gaps
from sample_reports import HOSTILE, REPORTS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# A test process that is no browser needs none of what a browser does for people: updates, sync, first run.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
)
PAGES = {
    **{name: lambda make=make: html.render(make()) for name, make in REPORTS.items()},
    **{f"grid-{name}": lambda make=make: bench.page(make()) for name, make in GRIDS.items()},
    "comparison": lambda: compared.page(compare.compare(whole(), with_gaps())),
    "comparison-hostile": lambda: compared.page(compare.compare(hostile(), hostile())),
}


@pytest.fixture(scope="module")
def browser():
    chromium = os.environ.get("BEZOAR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = {}
    for name, render in PAGES.items():
        paths[name] = folder / f"{name}.html"
        paths[name].write_text(render(), encoding="utf-8")
    return paths


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_the_page_fits_the_screen_and_asks_for_nothing(browser, pages, name, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert [url for url in requests if not url.startswith("data:")] == [pages[name].as_uri()]
    assert complaints == []
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= screen
    assert page.evaluate("document.images.length") == page.evaluate(
        "[...document.images].filter(i => i.naturalWidth).length"
    )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) / 3
    assert bright > 200 if scheme == "light" else bright < 60
    context.close()


@pytest.mark.parametrize("name", ["hostile", "grid-hostile", "comparison-hostile"])
def test_hostile_names_are_text_and_make_no_element(browser, pages, name):
    context = browser.new_context()
    page = context.new_page()
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.title() != "owned"
    assert (
        page.evaluate("document.querySelectorAll('script, evil, img[onerror], iframe, a:not([href^=\"#\"])').length")
        == 0
    )
    body = page.inner_text("body")
    for value in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        assert value in body
    assert not set("\x00\x1b\u202e") & set(body)
    context.close()


def test_choosing_a_figure_shows_its_maps_and_charts_and_does_not_scroll_away(browser, pages):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(pages["grid-gaps"].as_uri())

    def shown(figure):
        return {element.is_visible() for element in page.query_selector_all(f".figure.{figure}")}

    assert (shown("auroc"), shown("ap")) == ({True}, {False})
    label = page.locator('#heat label[for="show-ap"]')
    label.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    label.click()
    assert (shown("auroc"), shown("ap")) == ({False}, {True})
    assert before > 0
    # Tables may differ in height; the top of the page is far away.
    assert abs(page.evaluate("scrollY") - before) < 400
    page.keyboard.press("ArrowRight")
    assert shown("tpr_at_fpr1") == {True}
    page.close()


def test_the_policy_stops_what_would_slip_through(browser, tmp_path):
    """Belt and braces: had escaping failed, the page's own policy still runs no script and loads no picture."""
    planted = (
        "<script>document.title='owned'</script><img src='http://192.0.2.1/x.png' onerror=\"document.title='owned'\">"
    )
    text = html.render(REPORTS["clean"]()).replace("<main>", f"<main>{planted}")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    ends = {}
    page.on("requestfailed", lambda request: ends.update({request.url: request.failure}))
    page.on("requestfinished", lambda request: ends.update({request.url: "reached"}))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() != "owned"
    assert ends["http://192.0.2.1/x.png"] == "csp"
    page.close()
