"""Trajectories that a scanner can play: limits, waveforms, checks, projection."""

from nufftlib.mri.scanner.curve import BSpline, receiver
from nufftlib.mri.scanner.nerve import LinearNerveModel
from nufftlib.mri.scanner.projection import (
    Certificate,
    ProjectedTrajectory,
    TrajectoryProjection,
    project_trajectory,
)
from nufftlib.mri.scanner.protocol import Protocol, Scanner
from nufftlib.mri.scanner.report import NerveModel, TrajectoryReport, check_trajectory
from nufftlib.mri.scanner.traversal import traverse
from nufftlib.mri.scanner.waveforms import gradients, slew_rates, trajectory_from_gradients

__all__ = [
    "BSpline",
    "Certificate",
    "LinearNerveModel",
    "NerveModel",
    "ProjectedTrajectory",
    "Protocol",
    "Scanner",
    "TrajectoryProjection",
    "TrajectoryReport",
    "check_trajectory",
    "gradients",
    "project_trajectory",
    "receiver",
    "slew_rates",
    "trajectory_from_gradients",
    "traverse",
]
