"""The grid engine on the CPU: points, grid and engine, and the compiled loops under them."""
