"""Wires the Operations application."""
