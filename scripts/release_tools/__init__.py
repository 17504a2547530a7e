"""The parts of scripts/release: docs/release.md says what it does."""
