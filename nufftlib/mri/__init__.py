"""MRI: coil sensitivities, trajectories, density compensation."""
