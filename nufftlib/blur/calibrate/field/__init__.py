"""Calibration of a PSF that varies over the field: from a pair of pictures, or from stars."""
