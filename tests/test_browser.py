"""The committed page and the README in a real browser: `scripts/setup-browser` installs it.

Screenshots are left in build/screenshots, to be looked at.
"""

import shutil
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from mnistladder.report.charts import short_name
from mnistladder.report.summary import make_rows
from mnistladder.runs import results

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs" / "report.html"
SHOTS = TOP / "build" / "screenshots"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
WIDTHS = {"desk": 1280, "tablet": 768, "telephone": 390}
SCREENS = 15  # of 800 pixels, with all details folded

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="no chromium; scripts/setup-browser installs it"
)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser):
    """Opens the page; what it says on the console and what it asks for is kept."""
    contexts = []

    def open_page(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.told, page.asked = [], []
        page.on("console", lambda message: page.told.append(message.text))
        page.on("pageerror", lambda error: page.told.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(PAGE.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
def test_page_is_whole_and_quiet(show, device, scheme):
    page = show(WIDTHS[device], scheme)
    assert page.told == []
    assert [url for url in page.asked if not url.startswith("data:")] == [PAGE.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS[device]
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{device}-{scheme}.png")
    for rung in ("model01_linear", "model12_averaging"):
        page.locator(f"#{rung} > details > summary").click()
        page.locator(f"#{rung}").screenshot(path=SHOTS / f"{device}-{scheme}-{rung}.png")
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS[device]


def test_page_is_short_until_its_details_are_opened(show):
    page = show()
    assert page.evaluate("document.documentElement.scrollHeight") <= SCREENS * 800
    page.keyboard.press("o")
    assert page.evaluate("document.documentElement.scrollHeight") > SCREENS * 800


def rules_broken(page, *only):
    """The names of axe's rules that a page breaks, of all or of these alone."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"runOnly": {"type": "rule", "values": only}} if only else None
    return {rule["id"] for rule in Axe().run(page, options=options).response["violations"]}


def test_axe_finds_nothing_that_keeps_readers_out(show):
    page = show()
    page.locator("#model11_annealing > details > summary").click()
    assert rules_broken(page) == set()
    page.evaluate("document.querySelector('.said-by img').removeAttribute('alt')")
    assert rules_broken(page, "image-alt") == {"image-alt"}


def test_axe_finds_enough_contrast_in_the_dark(show):
    assert rules_broken(show(scheme="dark"), "color-contrast") == set()


def test_telephone_shows_errors_and_accuracy_first_and_all_digits(show):
    page = show(WIDTHS["telephone"])
    headings = page.locator("#rungs thead th")
    assert [text.split()[0] for text in headings.all_inner_texts()[:3]] == [
        "rung",
        "errors",
        "accuracy",
    ]
    box = headings.nth(2).bounding_box()
    assert box["x"] + box["width"] <= WIDTHS["telephone"]
    page.locator("#model11_annealing > details > summary").click()
    for table in (".said-by", "#model11_annealing .confusion"):
        assert page.locator(table).evaluate("it => it.getBoundingClientRect().right") <= 390, table


def test_board_is_sorted_by_keyboard_and_says_so(show):
    page = show()

    def column(place):
        return [
            cells.locator("th, td").nth(place).inner_text()
            for cells in page.locator("#rungs tbody tr").all()
        ]

    before = column(0)
    page.locator("#rungs th button", has_text="errors").focus()
    page.keyboard.press("Enter")
    errors = [float(text.split()[0]) for text in column(1)]
    assert errors == sorted(errors)
    heading = page.locator("#rungs th[aria-sort]")
    assert (heading.count(), heading.get_attribute("aria-sort")) == (1, "ascending")
    page.keyboard.press("Space")
    assert [float(text.split()[0]) for text in column(1)] == errors[::-1]
    assert heading.get_attribute("aria-sort") == "descending"
    page.locator("#rungs th button", has_text="step").click()
    assert column(0)[-1] == "01 linear"  # it has no step
    page.locator("#rungs th button", has_text="rung").first.click()
    assert column(0) == before


def test_link_to_a_rung_opens_it(show):
    page = show()
    page.locator("#rungs a", has_text="05 conv").click()
    assert page.locator("#model05_conv > details").get_attribute("open") is not None
    assert page.locator("#model06_maxpool > details").get_attribute("open") is None


@pytest.mark.parametrize("device", WIDTHS)
def test_charts_can_be_seen_and_read(show, device):
    page = show(WIDTHS[device])
    charts = page.locator("figure.chart svg")
    present = {row.name for row in make_rows(results.all_results(TOP / "results"))}
    assert charts.count() == 3 + 2 * len(present)
    page.keyboard.press("o")
    for chart in (charts.first, charts.nth(5), charts.last):
        chart.scroll_into_view_if_needed()
        assert chart.is_visible()
        box = chart.bounding_box()
        assert 300 < box["width"] <= WIDTHS[device]
        assert box["height"] > 100
    heights = page.evaluate(
        "[...document.querySelectorAll('figure.chart svg text')]"
        ".map(text => text.getBoundingClientRect().height).filter(height => height > 0)"
    )
    assert min(heights) > 8


def test_table_has_thirteen_rows_with_the_numbers_of_the_board(show):
    page = show()
    rows = {short_name(row.rung): row for row in make_rows(results.all_results(TOP / "results"))}
    lines = page.locator("#rungs tbody tr")
    assert lines.count() == 13
    for number in range(13):
        name, errors, _, _, _, n, *_ = lines.nth(number).locator("th, td").all_inner_texts()
        assert (n, float(errors.split()[0])) == (
            str(rows[name].n),
            pytest.approx(rows[name].errors_mean, abs=0.05),
        )


def test_keys_lead_from_rung_to_rung_and_back(show):
    page = show()

    def here():
        return page.evaluate("[location.hash, document.activeElement.id]")

    page.keyboard.press("j")
    assert here() == ["#model01_linear", "model01_linear"]
    page.keyboard.press("n")
    assert here()[1] == "model02_normalized"
    page.keyboard.press("k")
    assert here()[1] == "model01_linear"
    top = page.locator("#model01_linear").bounding_box()["y"]
    assert 0 <= top < 40
    page.keyboard.press("t")
    assert page.evaluate("scrollY") == 0


def test_first_tab_leads_past_the_navigation_and_links_can_be_followed(show):
    page = show()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#board"
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.getAttribute('href')")
        if focused == "#model05_conv":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#model05_conv"
    layers = page.locator("#model05_conv details details").first
    layers.locator("summary").focus()
    page.keyboard.press("Enter")
    assert layers.get_attribute("open") is not None


def contrast(first, second):
    """The ratio of WCAG 2 of two colours `rgb(r, g, b)`."""
    lights = []
    for color in (first, second):
        parts = [int(part) / 255 for part in color[4:-1].split(",")]
        parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        lights.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_the_paper(show, scheme):
    page = show(scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for selector in (
        "p",
        ".quiet",
        "a[href]",
        "figcaption",
        ".said.wrong",
        "th",
        "td.hit",
        "td.unclear",
    ):
        color = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
        assert contrast(paper, color) >= 4.5, selector
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)


def test_page_prints(show):
    page = show()
    SHOTS.mkdir(parents=True, exist_ok=True)
    printed = page.pdf(path=SHOTS / "print.pdf", format="A4")
    assert 18 < printed.count(b"/Type /Page\n") < 60
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    inverted = "getComputedStyle(document.querySelector('ul.digits img')).filter"
    assert page.evaluate(inverted) == "invert(1)"


GITHUB = """
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; margin: 0; }
article { width: 948px; margin: 32px auto; }
img { max-width: 100%; }
table { border-collapse: collapse; width: max-content; }
th, td { padding: 6px 13px; border: 1px solid; }
code { font: 85% monospace; padding: .2em .4em; }
pre { font: 85% monospace; padding: 16px; overflow: auto; background: #eee; }
pre code { font-size: 100%; padding: 0; }
"""


@pytest.fixture(scope="module")
def readme(browser, tmp_path_factory):
    """The README as GitHub shows it, in a window of 1280 x 1200: a screen of a developer."""
    body = MarkdownIt("commonmark").enable("table").render((TOP / "README.md").read_text())
    path = tmp_path_factory.mktemp("readme") / "readme.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8><base href='{TOP.as_uri()}/'>"
        f"<style>{GITHUB}</style><article>{body}</article>"
    )
    context = browser.new_context(viewport={"width": 1280, "height": 1200})
    page = context.new_page()
    page.goto(path.as_uri())
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "readme.png")
    page.screenshot(path=SHOTS / "readme-whole.png", full_page=True)
    yield page
    context.close()


def test_tables_of_the_readme_fit_the_width_that_github_has(readme):
    tables = readme.locator("table")
    assert tables.count() == 2
    for table in tables.all():
        assert table.bounding_box()["width"] <= 948
    assert readme.locator("article").bounding_box()["width"] == 948


def test_table_that_is_too_wide_is_noticed(readme):
    wide = "<table><tr>" + f"<td>{'wide' * 10}</td>" * 5 + "</tr></table>"
    readme.evaluate(f"document.body.insertAdjacentHTML('beforeend', {wide!r})")
    assert readme.locator("body > table").bounding_box()["width"] > 948
    readme.evaluate("document.querySelector('body > table').remove()")


def test_first_screen_of_the_readme_has_chart_and_beginning_of_the_table(readme):
    chart = readme.locator("img").first
    assert chart.evaluate("image => image.complete && image.naturalWidth > 0")
    box, table = chart.bounding_box(), readme.locator("table").first
    assert box["height"] > 300
    assert box["y"] + box["height"] < table.bounding_box()["y"]
    row = table.locator("tbody tr").nth(4).bounding_box()
    assert row["y"] + row["height"] < 1200
