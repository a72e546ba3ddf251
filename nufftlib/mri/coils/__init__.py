"""Coils: sensitivities that are simulated or estimated, noise, compression."""
