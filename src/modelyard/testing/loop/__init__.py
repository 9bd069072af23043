"""The closed loop under scripted drift and sabotage, on a platform of its own: `make loop`."""
