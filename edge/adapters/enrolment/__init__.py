"""The box's side of a fleet: it makes its keys, asks for its certificate and renews it."""
