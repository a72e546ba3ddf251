"""Densities of sampling, points that are drawn from them, and trajectories that they attract."""

from nufftlib.mri.sampling.attract_repel import AttractedTrajectory, attract_repel
from nufftlib.mri.sampling.attraction_repulsion import AttractionRepulsion
from nufftlib.mri.sampling.densities import (
    decay_density,
    energy_density,
    polynomial_density,
    wavelet_density,
)
from nufftlib.mri.sampling.samples import lloyd_samples, poisson_disc_samples, random_samples

__all__ = [
    "AttractedTrajectory",
    "AttractionRepulsion",
    "attract_repel",
    "decay_density",
    "energy_density",
    "lloyd_samples",
    "poisson_disc_samples",
    "polynomial_density",
    "random_samples",
    "wavelet_density",
]
