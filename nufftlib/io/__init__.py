"""Files: pictures, trajectories, pulse sequences; packages that read them are imported on use."""

from nufftlib.io.pulseq import SafeNerveModel, write_pulseq
from nufftlib.io.trajectories import load_trajectory, save_trajectory

__all__ = ["SafeNerveModel", "load_trajectory", "save_trajectory", "write_pulseq"]
