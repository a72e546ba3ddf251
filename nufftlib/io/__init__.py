"""Files: pictures as arrays; what reads them is imported on use."""
