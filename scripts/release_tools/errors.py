"""The error that every part of the release raises."""


class ReleaseError(Exception):
    """One or more lines: what is wrong, where, and the cure."""
