"""The corridor from frame to sealed hit, and the ports it needs."""
