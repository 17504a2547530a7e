"""One module for each version of the desk's tables, oldest first."""
