"""Charts put numbers where they belong."""

import re
from xml.etree import ElementTree as ET

import pytest

from bezoar.report import svg

LINEAR = svg.Axis(low=0, high=1, ticks=((0, "0"), (1, "1")), name="y")
LOG = svg.Axis(low=0.001, high=0.1, ticks=((0.01, "1 %"),), name="x", log=True)


def test_a_logarithmic_axis_puts_the_geometric_mean_in_the_middle():
    assert LOG.place(0.01) == pytest.approx(0.5)
    assert LINEAR.place(0.25) == pytest.approx(0.25)


def test_values_outside_an_axis_lie_at_its_end():
    assert (LOG.place(0.0), LOG.place(9.0)) == (0.0, 1.0)


def test_a_gauge_shows_value_interval_and_control_in_their_places():
    root = ET.fromstring(svg.interval_bar(0.5, 0.25, 0.75, control=0.0))
    assert float(root.find("circle").get("cx")) == 80
    band = root.find("line[@class='band-line']")
    assert (float(band.get("x1")), float(band.get("x2"))) == (43, 117)
    assert float(root.find("rect").get("x")) == 2


def test_a_curve_rises_upwards_and_its_band_surrounds_it():
    drawn = svg.curve(
        [(0.001, 0.2), (0.1, 0.9)], [(0.001, 0.1, 0.3), (0.1, 0.8, 1.0)], x=LOG, y=LINEAR, alt="a", dots=True
    )
    root = ET.fromstring(drawn)
    first, last = (tuple(map(float, p.split(","))) for p in root.find("polyline").get("points").split())
    assert first[0] < last[0]
    assert first[1] > last[1]
    heights = [float(p.split(",")[1]) for p in root.find("polygon").get("points").split()]
    assert heights[0] < first[1] < heights[-1]
    assert len(root.findall("circle")) == 2


def test_a_single_point_is_drawn_without_a_line():
    root = ET.fromstring(svg.curve([(0.01, 0.5)], [(0.01, 0.4, 0.6)], x=LOG, y=LINEAR, alt="a", dots=True))
    assert root.find("polyline") is None
    assert len(root.findall("circle")) == 1


def test_texts_of_a_chart_are_escaped():
    axis = svg.Axis(low=0, high=1, ticks=((0, "<b>"),), name='"><script>')
    drawn = svg.curve([(0, 0), (1, 1)], [], x=axis, y=axis, alt='"><script>')
    ET.fromstring(drawn)
    assert not re.search("<(script|b)", drawn)


def test_each_of_several_lines_has_its_own_marks_and_gaps_stay_gaps():
    points = tuple(svg.Reading(x=x, y=0.5, low=0.4, high=0.6) for x in (0.001, 0.01, 0.1))
    series = [svg.Series(points=points, style=0), svg.Series(points=(points[0], None, points[2]), style=5)]
    whole, broken = ET.fromstring(svg.curves(series, x=LOG, y=LINEAR, alt="a")).findall("g")
    assert (len(whole.findall("polyline")), len(broken.findall("polyline"))) == (1, 0)
    assert (len(whole.findall("path")), len(broken.findall("path"))) == (3, 2)
    assert whole.find("path").get("d") != broken.find("path").get("d")
    assert len(broken.findall("line[@class='whisker']")) == 2


def test_eight_lines_differ_in_mark_or_colour():
    assert len({str(svg.sign(style)) for style in range(svg.STYLES)}) == svg.STYLES


def test_a_tick_of_two_lines_stands_above_the_name_of_the_axis():
    axis = svg.Axis(low=0, high=1, ticks=((0, "1 %\n50"), (1, "2 %\n100")), name="strength")
    texts = {
        text.text: float(text.get("y"))
        for text in ET.fromstring(svg.curves([], x=axis, y=LINEAR, alt="a")).iter("text")
    }
    assert texts["1 %"] < texts["50"] < texts["strength"]
