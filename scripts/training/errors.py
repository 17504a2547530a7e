"""Errors of the training programs."""


class DataError(Exception):
    """Data, weights or folders that cannot be used; one line with the file and the cure."""
