"""The page: self-contained, small, legible, and deaf to what the data says."""

import base64
import dataclasses
import itertools
import re
from html.parser import HTMLParser
from importlib import resources

import pytest

from bezoar.core.report import Picture
from bezoar.report import html
from sample_reports import HOSTILE, clean_report, image_report

VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains of tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_refers_to_nothing_outside_itself(report):
    page = Page(html.render(report))
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action", "data", "poster", "background"):
            assert value.startswith(("data:", "#")), (tag, name, value)
    assert not {"script", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    css = resources.files("bezoar.report").joinpath("templates", "report.css").read_text()
    assert "url(" not in css
    assert "@import" not in css


def test_a_strict_policy_comes_before_anything_else_in_the_page(report):
    page = html.render(report)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.group(1).startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert policy.start() < page.index("<title>")


def test_hostile_text_adds_no_element_and_appears_as_text(hostile):
    page = Page(html.render(hostile))
    assert "evil" not in page.tags
    assert set(page.tags) <= set(Page(html.render(image_report())).tags) | {"td"}
    text = "".join(page.text)
    for value in (HOSTILE[0], HOSTILE[1], HOSTILE[3], "{{ 7*7 }}"):
        assert value in text
    assert "\\u202e" in text
    assert not any(character in html.render(hostile) for character in "\x00\x1b\u202e\ud800")
    assert "a" * 2000 not in text


def test_every_picture_has_a_text_alternative(report):
    page = html.render(report)
    for tag in re.findall(r"<img [^>]+>", page):
        assert re.search(r'alt="[^"]+"', tag)
    for tag in re.findall(r'<svg class="chart"[^>]+>', page):
        assert 'role="img"' in tag
        assert re.search(r'aria-label="[^"]+"', tag)


def test_headings_go_down_one_level_at_a_time(report):
    levels = [int(level) for level in re.findall(r"<h([1-6])", html.render(report))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_identifiers_of_the_page_are_unique_and_links_lead_somewhere(report):
    page = Page(html.render(report))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")} <= set(ids)


def test_a_page_stays_under_5_mb_however_many_pictures_there_are(found):
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(240_000)).decode()
    large = Picture(png=png, caption="large", width=400, height=400)
    exhibits = tuple(dataclasses.replace(row, picture=large) for row in found.exhibits)
    findings = tuple(dataclasses.replace(f, exhibits=exhibits) for f in found.findings)
    page = html.render(dataclasses.replace(found, findings=findings, exhibits=exhibits))
    assert len(page.encode()) < 5_000_000
    assert "pictures were left out" in page


def test_power_is_said_to_be_unknown_where_no_control_was_run():
    assert "Power is unknown: controls were not run." in html.render(clean_report(controls=False))
    assert "Power is unknown" not in html.render(clean_report())


def test_the_blamed_source_stands_first(found):
    section = html.render(found).split('id="sources"')[1]
    assert section.index("acme imaging") < section.index("site-b")
    assert ">blamed<" in section


def test_evidence_shows_value_interval_n_and_control(found):
    page = html.render(found).replace("\u00a0", " ")
    row = page[page.index("rows of other classes turned to 7") :].split("</tr>")[0]
    for figure in ("96.4 %", "94.8 % to 97.6 %", "800", "1.1 %"):
        assert figure in row


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    """WCAG 2.1, success criterion 1.4.3: at least 4.5 to 1."""
    css = resources.files("bezoar.report").joinpath("templates", "report.css").read_text()
    blocks = re.findall(r":root \{(.+?)\}", css, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[0 if scheme == "light" else 1]))
    pairs = [
        (ink, ground) for ink in ("ink", "soft", "accent", "bad", "warn", "good", "dim") for ground in ("paper", "card")
    ]
    pairs += [(ink, f"{ink}-wash") for ink in ("bad", "warn", "good", "dim")] + [("ink", "bad-wash"), ("ink", "wash")]
    for ink, ground in pairs:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
