"""Mechanisms that know no machine learning."""
