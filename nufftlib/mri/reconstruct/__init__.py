"""Reconstruction as a job: the data of a scan in, its image out."""
