"""The desk's web application: pages rendered on the server, without scripts or outside requests."""
