"""What a new version must prove before it may take traffic: the gate on labelled rows, and replay of real requests."""
