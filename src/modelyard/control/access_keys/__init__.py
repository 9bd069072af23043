"""Access keys: pairs of an id and a secret that sign requests, for clients that speak the AWS protocols."""
