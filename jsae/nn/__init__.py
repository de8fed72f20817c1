"""Networks of many runs at once, their optimiser, compiled kernels, random streams, devices."""
