"""The grid engine on CUDA: points, grid and engine, the device, and the kernels under them."""
