"""Cameras: recordings, live cameras and their decoder process, and pictures written to files."""
