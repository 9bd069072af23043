"""The decision rule: what is waiting, running and reserved in, what starts now out. Pure: no clock, no database."""
