"""Figures of trajectories, and of the jobs' results; they need matplotlib."""

from nufftlib.plots.density import draw_density
from nufftlib.plots.field import draw_field
from nufftlib.plots.kspace import draw_kspace
from nufftlib.plots.measures import draw_psf
from nufftlib.plots.overview import draw_overview
from nufftlib.plots.phase import draw_phase
from nufftlib.plots.point_spread import draw_point_spread
from nufftlib.plots.targets import draw_edge, draw_stars
from nufftlib.plots.waveforms import draw_waveforms

__all__ = [
    "draw_density",
    "draw_edge",
    "draw_field",
    "draw_kspace",
    "draw_overview",
    "draw_phase",
    "draw_point_spread",
    "draw_psf",
    "draw_stars",
    "draw_waveforms",
]
