"""The front door: answers inference itself, on the event loop, and streams everything else to control.

It knows no wire format of inference: dialects (`dialect.Dialect`) are given to it by whoever starts it.
"""
