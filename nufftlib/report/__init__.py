"""Pages of results: one HTML file each, with pictures that move; they need Bokeh."""

from nufftlib.report.result import Result, refusal, write_page

__all__ = ["Result", "refusal", "write_page"]
