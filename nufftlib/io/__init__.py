"""Files: pictures as arrays; the packages that read them are imported on use."""
