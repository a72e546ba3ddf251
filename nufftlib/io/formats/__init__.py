"""Formats of pictures and stacks, a file each; packages that read them are imported on use."""
