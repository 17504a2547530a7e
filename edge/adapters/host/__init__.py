"""The host machine: clock, service manager, metrics over HTTP, temperatures."""
