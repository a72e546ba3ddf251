"""Our own engine: one oversampled FFT, sampled at any trajectory, with derivatives."""
