"""How many replicas there should be, from what the gateway saw. Start reading at `autoscaler`."""
