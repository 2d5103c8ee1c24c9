"""The built pages in a browser: they work offline, on a phone, in light and in dark, and for a screen reader.

``SITE`` names the folder of the pages (default ``_build/html``). Without Chromium or without pages the tests
are skipped, except where ``CI=true``: there they fail. Each check is itself tested on a page that breaks it.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sphinx.util.inventory import InventoryFile

import companion.theorems
import wnlib

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
CHECKS = (ROOT / "tests/site/checks.js").read_text("utf-8")
SITE = Path(os.environ.get("SITE", ROOT / "_build/html"))
FRONT = "notebooks/index.html"  # where index.html leads
ADDRESSES = {path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")}
PAGES = sorted(address for address in ADDRESSES - {"index.html"} if not address.startswith("_static/"))
THEOREMS = [page for page in PAGES if re.fullmatch(r"theorems/(?!(index|claims|assumptions|checks)\.).*", page)]
PARTS = {
    "statement": "article .proof:is(.theorem, .observation)[id^=thm-] .math",
    "proof": "article .proof:not(.theorem, .observation)",
    "figure": "article figure:has(figcaption) > svg[aria-label] circle.check",
}
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
# Chromium refuses its sandbox to root, the user of most containers. No name resolves: the pages are offline.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def unavailable(reason: str) -> None:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        unavailable("no Chromium on the PATH, so nobody looked at the pages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Page:
    """One tab for all pages: what their scripts and fonts cost to fetch and to compile is paid once."""
    return browser.new_page()


class QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", f"max-age={3600 * ('/_static/' in self.path)}")
        super().end_headers()


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    if not PAGES:
        unavailable(f"no pages in {SITE}: `make book` builds them")
    with serve(SITE) as url:
        yield url


@contextmanager
def visit(tab: Page, url: str) -> Iterator[tuple[list[str], list[str]]]:
    """The addresses that a page asks for and the errors that it logs, while the tab shows it."""
    asked: list[str] = []
    errors: list[str] = []
    listeners: dict[str, Callable[[Any], None]] = {
        "request": lambda request: asked.append(request.url),
        "response": lambda answer: answer.status >= 400 and errors.append(f"{answer.status} {answer.url}"),
        "console": lambda message: message.type == "error" and errors.append(message.text),
        "pageerror": lambda error: errors.append(str(error)),
    }
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.emulate_media(color_scheme="light")
    tab.goto("about:blank")  # what the last page still does is not told to this one
    for event, listener in listeners.items():
        tab.on(event, listener)
    tab.goto(url)
    tab.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready }")
    yield asked, errors
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)


def inspect(tab: Page, url: str, parts: dict[str, str] | None = None) -> dict[str, list[str]]:
    """What is wrong with a page, by check; with the parts that it must have."""
    with visit(tab, url) as (asked, errors):
        found = {check: tab.evaluate(f"({CHECKS}).{check}()") for check in ("mathematics", "images")}
        found["parts"] = tab.evaluate(f"parts => ({CHECKS}).parts(parts)", parts or {})
        for theme in ("light", "dark"):
            tab.emulate_media(color_scheme=theme)
            tab.wait_for_selector(f'html[data-theme="{theme}"]', timeout=5000)
            found[theme] = tab.evaluate(f"({CHECKS}).contrast()")
        tab.set_viewport_size({"width": 360, "height": 740})
        found |= {check: tab.evaluate(f"({CHECKS}).{check}()") for check in ("width", "legibility", "drawings")}
        own = (urljoin(url, "/"), "data:", "blob:")
        found |= {"requests": [address for address in asked if not address.startswith(own)], "errors": errors}
    return {check: defects for check, defects in found.items() if defects}


class Anchors(HTMLParser):
    """The ids of a page and its links within the site."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.links = {""}, set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value and not urlsplit(value).scheme:
                self.links.add(value)


def broken_links(folder: Path) -> list[str]:
    folder = folder.resolve()
    paths = sorted(path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] != "_static")
    pages = {path: Anchors(path.read_text("utf-8")) for path in paths}
    found = []
    for path, page in pages.items():
        for link in sorted(page.links):
            target, fragment = urldefrag(link)
            goal = (path.parent / unquote(urlsplit(target).path)).resolve() if target else path
            if not goal.is_file() or (goal in pages and unquote(fragment) not in pages[goal].ids):
                found.append(f"{path.relative_to(folder)}: {link}")
    return found


def search(tab: Page, url: str, words: str) -> list[str]:
    """The addresses that a page's own search finds, the words typed by hand."""
    with visit(tab, url):
        tab.keyboard.press("Control+k")
        tab.keyboard.type(words)
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/search.html?*")
        tab.wait_for_function("/Search finished|did not match/.test(document.body.innerText)")
        return tab.evaluate("[...document.querySelectorAll('#search-results li a')].map(a => a.pathname)")


@pytest.mark.parametrize("name", PAGES)
def test_page(tab: Page, site: str, name: str) -> None:
    found = inspect(tab, site + name, PARTS if name in THEOREMS else None)
    seen = name in THEOREMS and companion.theorems.theorem(Path(name).stem).noun == "observation"
    assert found == ({"parts": ["proof"]} if seen else {})  # what is only seen has none


def test_every_theorem_has_its_page(site: str) -> None:
    files = (ROOT / "companion" / "theorems").glob("[!_]*.py")
    assert sorted(f"theorems/{path.stem}.html" for path in files) == THEOREMS


def test_the_address_of_the_site_leads_to_the_front_page(tab: Page, site: str) -> None:
    tab.goto(site)
    tab.wait_for_url(site + FRONT)


def test_links_lead_somewhere(site: str) -> None:
    assert broken_links(SITE) == []


def inventory() -> dict[str, str]:
    """The names that other books can refer to, and the places where they are explained."""
    with (SITE / "objects.inv").open("rb") as file:
        kinds = InventoryFile.load(file, "", lambda base, name: name)
    return {name: places[name][2] for kind, places in kinds.items() if kind.startswith("py:") for name in places}


def test_every_public_name_is_in_the_inventory(site: str) -> None:
    assert {f"wnlib.{name}" for name in wnlib.__all__} <= inventory().keys()


def test_theorems_and_functions_lead_to_each_other(site: str) -> None:
    places = inventory()
    links = {page: Anchors((SITE / page).read_text("utf-8")).links for page in PAGES}
    for theorem in map(companion.theorems.theorem, companion.theorems.names()):
        for name in theorem.about:
            assert f"../{places[name]}" in links[f"theorems/{theorem.name}.html"]
            assert f"../theorems/{theorem.name}.html#thm-{theorem.name}" in links[places[name].partition("#")[0]]


def test_search(tab: Page, site: str) -> None:
    assert "/notebooks/invariants.html" in search(tab, site + FRONT, "invariant")
    assert search(tab, site + FRONT, "quaternionic") == []


SOUND = """<!doctype html>
<html lang="en"><title>A page</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>[data-theme=dark] body {{ background: #111; color: #eee }}</style>
<script>
const media = matchMedia("(prefers-color-scheme: dark)");
(media.onchange = () => document.documentElement.dataset.theme = media.matches ? "dark" : "light")();
</script>
<body><article>
<p id="here">Text and <code>$code$</code>.</p>
<figure><img alt="A text" src="figure.svg"><figcaption>Fig. 1</figcaption></figure>
{}
</article>"""
FIGURE = '<figure><img alt="{}" src="{}"><figcaption>{}</figcaption></figure>'
GRAPH = """<svg role="group" aria-label="{name}" width="200" height="90" font-size="12">
<a href="#here" aria-label="A node"><rect x="10" y="10" width="80" height="30" style="fill: {fill}"/>
<text x="12" y="30" style="fill: #111" font-size="{size}">{text}</text></a>
<path d="M{edge} 0V90" stroke="#000"/></svg>"""
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" width="300" height="9" viewBox="0 0 300 9">
<g transform="translate(1 2) scale({0} -{0})"/></svg>"""


def node(**changes: str | float) -> str:
    """A drawing of one node, with an edge beside it."""
    return GRAPH.format(**{"name": "A graph", "fill": "#fff", "size": 12, "text": "A node", "edge": 95, **changes})


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    (tmp_path / "figure.svg").write_text(DRAWING.format(0.1))
    (tmp_path / "tiny.svg").write_text(DRAWING.format(0.07))
    (tmp_path / "mute.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>')
    with serve(tmp_path) as url:
        yield tmp_path / "page.html", url + "page.html"


@pytest.mark.parametrize(
    ("check", "defect", "html"),
    [
        ("images", "no alternative text", FIGURE.format(" ", "figure.svg", "Fig.")),
        ("images", "no caption", '<img alt="A text" src="figure.svg">'),
        ("images", "no caption", FIGURE.format("A text", "figure.svg", " ")),
        ("images", "not loaded", FIGURE.format("A text", "data:image/svg+xml,<svg", "Fig.")),
        ("requests", "cdn.example", '<script>fetch("http://cdn.example/x").catch(() => 0)</script>'),
        ("errors", "404 .*missing", '<script src="missing.js"></script>'),
        ("errors", "boom", "<script>console.error('boom')</script>"),
        ("errors", "boom", "<script>throw Error('boom')</script>"),
        ("mathematics", "not rendered", r'<span class="math">\(x\)</span>'),
        ("mathematics", "source of a formula", "<p>where $x^2$ is</p>"),
        ("mathematics", "source of a formula", r"<p>where \(x^2\) is</p>"),
        ("mathematics", "source of a formula", r"<p>\begin{align} x \end{align}</p>"),
        ("mathematics", "source of a formula", "<p>where $x</p><ul><li>y</li></ul>"),
        ("mathematics", "source of a formula", r"<p>in \operatorname{row}(A)</p>"),
        ("mathematics", "or a link", "<p>See {doc}`there`.</p>"),
        ("mathematics", "error: x", "<mjx-merror>x</mjx-merror>"),
        ("width", "the page scrolls", '<div style="width: 400px">wide</div>'),
        (
            "width",
            "cut off: <pre>",
            '<div style="overflow: hidden"><pre style="width: 400px">wide</pre></div>',
        ),
        ("legibility", "small text: <p>", '<p style="font-size: 13px">small</p>'),
        ("legibility", "text of 7.* px in a figure", FIGURE.format("A text", "tiny.svg", "Fig.")),
        ("legibility", "text of Infinity px in a figure", FIGURE.format("A text", "mute.svg", "Fig.")),
        ("drawings", "without a name", node(name=" ")),
        ("drawings", "text of 10 px in a drawing", node(size=10)),
        ("drawings", "text beyond its node: a node with", node(text="a node with a long text")),
        ("drawings", "an edge runs through a node", node(edge=80)),
        ("drawings", "cut off in a drawing", f'<div style="margin-left: 330px">{node()}</div>'),
        ("light", "contrast", node(fill="#444")),
        ("light", "contrast 4.48", '<p style="color: #777; background: #fff">grey</p>'),
        ("light", "contrast", '<p style="opacity: 0.4">grey</p>'),
        ("dark", "contrast", '<p style="color: #333">grey</p>'),
    ],
)
def test_a_defect_is_found(tab: Page, pages: tuple[Path, str], check: str, defect: str, html: str) -> None:
    path, url = pages
    path.write_text(SOUND.format(html))
    assert any(re.search(defect, found) for found in inspect(tab, url)[check])


def test_a_sound_page_has_no_defect(tab: Page, pages: tuple[Path, str]) -> None:
    path, url = pages
    wide = '<pre style="width: 400px; font-size: 14px">wide</pre>'
    path.write_text(SOUND.format(f'<div style="overflow: auto">{wide}</div>{node()}'))
    assert inspect(tab, url) == {}


WHOLE = {
    "statement": '<div class="proof theorem" id="thm-x"><span class="math">x</span></div>',
    "proof": '<div class="proof"><p>Proof.</p></div>',
    "figure": '<figure><svg aria-label="Dots"><circle class="check"/></svg><figcaption>Fig.</figcaption></figure>',
}
BY_SCRIPT = "<script>document.querySelector('article').innerHTML += `{}`</script>"


@pytest.mark.parametrize(
    ("lacking", "html"),
    [
        ([], "".join(WHOLE.values())),
        *(([part], "".join(html for name, html in WHOLE.items() if name != part)) for part in PARTS),
        (list(PARTS), BY_SCRIPT.format("".join(WHOLE.values()))),
    ],
    ids=["none", *PARTS, "all, but for a script"],
)
def test_a_missing_part_is_found(tab: Page, pages: tuple[Path, str], lacking: list[str], html: str) -> None:
    path, url = pages
    path.write_text(SOUND.format(html))
    assert inspect(tab, url, PARTS).get("parts", []) == lacking


def test_graph_on_a_phone(tab: Page, site: str) -> None:
    """Every theorem is a node that leads to its page, by keyboard too; at most three stand side by side."""
    with visit(tab, site + "theorems/index.html"):
        tab.set_viewport_size({"width": 360, "height": 740})
        nodes = tab.locator(".dependency-graph a:visible")
        assert {f"theorems/{node.get_attribute('href')}" for node in nodes.all()} == set(THEOREMS)
        tops = [node.locator("rect").evaluate("rect => rect.y.baseVal.value") for node in nodes.all()]
        assert max(map(tops.count, tops)) <= 3
        nodes.last.focus()
        goal = nodes.last.get_attribute("href")
        tab.keyboard.press("Enter")
        tab.wait_for_url(f"**/theorems/{goal}")


@pytest.mark.parametrize("link", ["nowhere.html", "#nowhere", "page.html#nowhere", "../page.html"])
def test_a_broken_link_is_found(tmp_path: Path, link: str) -> None:
    (tmp_path / "page.html").write_text(f'<p id="here"><a href="#here">x</a> <a href="{link}">x</a>')
    assert broken_links(tmp_path) == [f"page.html: {link}"]
