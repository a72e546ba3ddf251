"""The page around the panels: one HTML file that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.models import CustomJS, Model
from bokeh.resources import INLINE


class Section(NamedTuple):
    """Panels under one title.

    Attributes
    ----------
    title : str
        What they show.
    panels : sequence of Model
        Side by side, as many as have room.
    hint : str
        What the reader can do with them.
    """

    title: str
    panels: Sequence[Model]
    hint: str = ""


class Page(NamedTuple):
    """The page of a result.

    Attributes
    ----------
    title : str
        What the result is.
    facts : dict of str
        Settings and numbers, by their names.
    control : sequence of Model
        What stays in sight while the page is scrolled.
    sections : sequence of Section
        The panels.
    show : CustomJS
        What fills the panels, when the page is there and whenever the reader turns something.
    """

    title: str
    facts: Mapping[str, str]
    control: Sequence[Model]
    sections: Sequence[Section]
    show: CustomJS

    def html(self) -> str:
        """Return the page."""
        document = Document()
        document.title = self.title
        document.js_on_event("document_ready", self.show)
        for group in (self.control, *(part.panels for part in self.sections)):
            for model in group:
                document.add_root(model)
        numbers = iter(range(len(document.roots)))
        return file_html(
            document,
            INLINE,
            self.title,
            template=asset("page.html"),
            template_variables={
                "facts": self.facts,
                "control": [next(numbers) for _ in self.control],
                "sections": [
                    (part.title, part.hint, [next(numbers) for _ in part.panels])
                    for part in self.sections
                ],
            },
        )


def asset(name: str) -> str:
    """Return a file of this folder: a script or the template."""
    return files("nufftlib.report").joinpath(name).read_text(encoding="utf-8")
