"""The frame path of one camera, from frame to sealed hit, and the ports that it needs."""
