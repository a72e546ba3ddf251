"""Whether a figure can be read: its texts, legends, labels, colours and numbers."""

import re
from contextlib import contextmanager
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from nufftlib.plots.figures import DIVERGING

GREYS = {"gray", "Greys"}
"""Maps of pictures, whose values are told by their looks; others want a colour bar."""

LEAST = 7
"""The least size of letters in points."""

COMPUTERS, LONG = re.compile(r"\de[+-]\d"), re.compile(r"[1-9][0-9]*\.?[0-9]*")


@pytest.fixture(autouse=True)
def _legible(monkeypatch):
    """Fail where a figure is drawn that cannot be read."""
    draw = Figure.draw

    def checked(figure, renderer):
        with drawn_texts() as texts:
            draw(figure, renderer)
        found = faults(figure, texts)
        assert not found, "\n".join(found)

    monkeypatch.setattr(Figure, "draw", checked)


@contextmanager
def drawn_texts():
    """Give the list of the texts that are drawn meanwhile, with the outlines of their boxes."""
    texts, draw = [], Text.draw

    def noted(text, renderer):
        if text.get_visible() and text.get_text().strip():
            texts.append((text, outline(text, renderer)))
        draw(text, renderer)

    Text.draw = noted
    try:
        yield texts
    finally:
        Text.draw = draw


def outline(text, renderer):
    """Return the corners of a text, a pixel within its box, turned as the text is."""
    box, angle = text.get_window_extent(renderer), np.radians(text.get_rotation())
    size = np.asarray([box.width, box.height])
    c, s = abs(np.cos(angle)), abs(np.sin(angle))
    if min(c, s) > 0.02:  # the box around a turned line of width w and height h: c w + s h
        height = 1.2 * text.get_fontsize() * text.figure.dpi / 72
        size = np.asarray([(box.width - s * height) / c, height])
    elif s > c:
        size = size[::-1]
    corners = 0.5 * np.maximum(size - 2, 1) * [[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]
    turn = np.asarray([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2]
    return Path(corners @ turn + middle)


def faults(figure, texts):
    """Return what cannot be read in a figure that was drawn, a line each."""
    every = list(all_axes(figure.axes))
    owner = {text: axes for axes in every for text in axes.findobj(Text)}
    boxes = [(text, path, owner.get(text)) for text, path in texts]
    return [
        *(f"sticks out: {said(t)}" for t, path, _ in boxes if not inside(path, figure.bbox)),
        *(
            f"overlap: {said(a)} and {said(b)}"
            for (a, one, _), (b, other, _) in combinations(boxes, 2)
            if one.intersects_path(other, filled=True)
        ),
        *(
            f"upon another panel: {said(text)}"
            for text, path, axes in boxes
            if any(upon(path, axes, other) for other in every)
        ),
        *(f"upon a curve: {said(t)}" for axes in every for t in hidden(axes, dict(texts))),
        *(f"a legend across its frame: {said(a.title)}" for a in every if across(a)),
        *(f"small letters: {said(text)}" for text, _ in texts if text.get_fontsize() < LEAST),
        *(f"a computer's number: {said(text)}" for text, _ in texts if odd_number(text)),
        *unnamed(every, {text for text, _ in texts}),
        *miscoloured(every),
    ]


def said(text):
    return repr(text.get_text())


def all_axes(axes):
    """Yield axes and those within them."""
    for one in axes:
        yield one
        yield from all_axes(one.child_axes)


def inside(path, box):
    low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
    return bool(np.all(low >= box.min - 1) and np.all(high <= box.max + 1))


def upon(path, axes, other):
    """Whether a text lies on axes that are not its own, nor around or within its own."""
    if axes is None or other.name == "3d" or other is axes or not other.get_visible():
        return False
    if other in axes.child_axes or axes in other.child_axes or not (other.axison or other.images):
        return False
    box, own = other.get_window_extent(), axes.get_window_extent()
    if np.allclose(box.extents, own.extents):  # twins
        return False
    return path.intersects_bbox(box.padded(-1), filled=True)


def hidden(axes, paths):
    """Return the texts within axes, of legends too, that a line runs through."""
    if axes.name == "3d":
        return []
    legend = axes.get_legend()
    texts = [*axes.texts, *(legend.get_texts() if legend else [])]
    frame = axes.get_window_extent()
    found = []
    for text in texts:
        if text not in paths or not frame.overlaps(paths[text].get_extents()):
            continue
        part = Bbox.intersection(frame, paths[text].get_extents())
        if any(crosses(line, part) for line in axes.lines):
            found.append(text)
    return found


def across(axes):
    """Whether a legend is neither within its axes nor outside of them."""
    legend, frame = axes.get_legend(), axes.get_window_extent()
    if legend is None or not frame.padded(-3).overlaps(box := legend.get_window_extent()):
        return False
    return not (frame.padded(1).contains(*box.min) and frame.padded(1).contains(*box.max))


def crosses(line, box):
    if not line.get_visible() or not len(line.get_xdata()):
        return False
    path = line.get_transform().transform_path(line.get_path())
    if line.get_linestyle() == "None":
        return bool(box.count_contains(path.vertices))
    return path.intersects_bbox(box, filled=False)


def odd_number(text):
    """Whether a text has a number such as 1e-05, or is one of more than five digits."""
    said = text.get_text().replace("\N{MINUS SIGN}", "-")
    if "$" not in said and COMPUTERS.search(said):
        return True
    try:
        float(said)
    except ValueError:
        return False
    digits = LONG.search(said.lstrip("-0.")) or ""
    return bool(digits) and len(digits[0].replace(".", "").rstrip("0")) > 5


def unnamed(every, shown):
    """Yield the axes that have numbers, and do not say of what."""
    for axes in every:
        for name in axes._axis_names:
            axis = getattr(axes, f"{name}axis")
            numbers = shown & set(axis.get_ticklabels())
            if numbers and not axis.get_label_text():
                title = axes.get_title() or axes.get_title("left")
                yield f"numbers without a name: axis {name} of {title!r}"


def miscoloured(every):
    """Yield images without a colour bar, and differences whose zero is not white."""
    images = [image for axes in every for image in axes.images]
    told = {id(image.norm) for image in images if image.colorbar}
    for image in images:
        name, norm = image.get_cmap().name, image.norm
        if np.ndim(image.get_array()) == 3 or name in GREYS:
            continue
        title = image.axes.get_title()
        if id(norm) not in told:
            yield f"no colour bar: {title!r}"
        if norm.vmin is not None and norm.vmin < 0 < norm.vmax and name != "twilight":
            if name != DIVERGING:
                yield f"the colours {name} in place of {DIVERGING}: {title!r}"
            if norm.vmin != -norm.vmax:
                yield f"zero is not in the middle of the colours: {title!r}"
