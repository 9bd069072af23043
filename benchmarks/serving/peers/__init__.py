"""A module for each server that is measured."""
