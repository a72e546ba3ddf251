"""Files: pictures, trajectories, pulse sequences; packages that read them are imported on use."""

from nufftlib.io.bart import write_bart
from nufftlib.io.mrd import write_mrd
from nufftlib.io.pulseq import SafeNerveModel, write_pulseq
from nufftlib.io.raw.read import read_scan
from nufftlib.io.raw.scan import Scan
from nufftlib.io.read import read_trajectory
from nufftlib.io.stored import TrajectoryFile
from nufftlib.io.trajectories import load_trajectory, save_trajectory

__all__ = [
    "SafeNerveModel",
    "Scan",
    "TrajectoryFile",
    "load_trajectory",
    "read_scan",
    "read_trajectory",
    "save_trajectory",
    "write_bart",
    "write_mrd",
    "write_pulseq",
]
