"""What gradients do to a trajectory: delays, eddy currents, and their calibration from data."""
