"""Programs that keep the repository consistent."""
