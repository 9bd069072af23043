"""Says what a load needs before it comes: measures a version's service times and predicts. Start at `service`."""
