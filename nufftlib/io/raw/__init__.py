"""Raw data: k-space samples with their trajectory, one reader a file."""
