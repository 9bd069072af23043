"""Jobs that run people's own code: a snapshot of a folder, or an image."""
