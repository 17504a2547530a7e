"""Files that a box keeps: hits not yet delivered, keys, lists, audit log, counts."""
