"""Who changed what: one entry for each authenticated request that is not a GET."""
