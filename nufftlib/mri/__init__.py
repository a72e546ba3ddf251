"""MRI: scanners and trajectories, density compensation, coil sensitivities."""

from nufftlib.mri import sampling, trajectories
from nufftlib.mri.coils.birdcage import birdcage_maps
from nufftlib.mri.coils.calibration import calibration_region
from nufftlib.mri.coils.espirit import EspiritMaps, espirit_maps
from nufftlib.mri.coils.low_frequency import low_frequency_maps
from nufftlib.mri.coils.matrix import CoilMatrix, CompressedCoils, compress_coils, whiten
from nufftlib.mri.coils.walsh import walsh_maps
from nufftlib.mri.density.cells import cell_count_weights
from nufftlib.mri.density.pipe_menon import PipeMenon, pipe_menon
from nufftlib.mri.density.shells import shell_weights
from nufftlib.mri.density.voronoi import voronoi_weights
from nufftlib.mri.gradient_system.calibrate import CalibratedDelays, calibrate_delays
from nufftlib.mri.gradient_system.delays import GradientDelays
from nufftlib.mri.gradient_system.response import GradientResponse
from nufftlib.mri.holes import Hole, largest_hole
from nufftlib.mri.off_resonance.echoes import field_map_from_echoes
from nufftlib.mri.preconditioner import circulant_preconditioner
from nufftlib.mri.scanner import (
    BSpline,
    Certificate,
    LinearNerveModel,
    NerveModel,
    ProjectedTrajectory,
    Protocol,
    Scanner,
    TrajectoryProjection,
    TrajectoryReport,
    check_trajectory,
    gradients,
    project_trajectory,
    receiver,
    slew_rates,
    trajectory_from_gradients,
    traverse,
)
from nufftlib.mri.spread import PointSpread, point_spread
from nufftlib.mri.units import (
    from_cycles_per_fov,
    from_cycles_per_metre,
    from_radians,
    to_cycles_per_fov,
    to_cycles_per_metre,
    to_radians,
)

__all__ = [
    "BSpline",
    "CalibratedDelays",
    "Certificate",
    "CoilMatrix",
    "CompressedCoils",
    "EspiritMaps",
    "GradientDelays",
    "GradientResponse",
    "Hole",
    "LinearNerveModel",
    "NerveModel",
    "PipeMenon",
    "PointSpread",
    "ProjectedTrajectory",
    "Protocol",
    "Scanner",
    "TrajectoryProjection",
    "TrajectoryReport",
    "birdcage_maps",
    "calibrate_delays",
    "calibration_region",
    "cell_count_weights",
    "check_trajectory",
    "circulant_preconditioner",
    "compress_coils",
    "espirit_maps",
    "field_map_from_echoes",
    "from_cycles_per_fov",
    "from_cycles_per_metre",
    "from_radians",
    "gradients",
    "largest_hole",
    "low_frequency_maps",
    "pipe_menon",
    "point_spread",
    "project_trajectory",
    "receiver",
    "sampling",
    "shell_weights",
    "slew_rates",
    "to_cycles_per_fov",
    "to_cycles_per_metre",
    "to_radians",
    "trajectories",
    "trajectory_from_gradients",
    "traverse",
    "voronoi_weights",
    "walsh_maps",
    "whiten",
]
