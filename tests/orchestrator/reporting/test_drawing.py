import io
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from hostile_names import NAMES, obeyed_in
from matplotlib.figure import Figure
from PIL import Image

from orchestrator.reporting.drawing import drawing, png, svg, written
from orchestrator.reporting.svg_element import svg as svg_of_page


def figure(name):
    """Draw a figure with a name wherever a text may be."""
    made = Figure(figsize=(4, 3), layout="constrained")
    axes = made.subplots()
    axes.plot([0, 1], [0, 1], label=f"_{name}"[1:] or "x")
    axes.set_xticks([0, 1], [name, name])
    axes.set_title(name)
    axes.set_ylabel(name)
    axes.annotate(name, (0, 0))
    made.suptitle(written(name))
    made.text(0, 0, name)
    return made


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_drawn_and_is_no_formula(name):
    with drawing():
        made = figure(name[:50])
    Image.open(io.BytesIO(png(made))).verify()
    result = svg(made)
    assert obeyed_in(result) == []
    texts = [item.text or "" for item in ET.fromstring(result).iter() if item.tag.endswith("}text")]
    if name == NAMES["two dollars"]:
        assert texts.count(name) >= 5


def test_a_figure_that_was_made_elsewhere_is_drawn_without_formulas_too():
    assert png(figure(NAMES["a formula"]))
    assert svg_of_page(figure(NAMES["one dollar"]), NAMES["angle brackets"]).count("<script") == 0


def test_settings_of_the_users_decide_nothing():
    with drawing():
        ours = png(figure("a"))
    strange = {"text.usetex": True, "figure.facecolor": "red", "font.size": 40}
    with mpl.rc_context(strange):
        with drawing():
            again = png(figure("a"))
        assert mpl.rcParams["font.size"] == 40
        assert re.search("<text", svg(figure("a")))
    assert again == ours
