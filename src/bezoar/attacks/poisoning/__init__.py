"""Attacks on training data."""
