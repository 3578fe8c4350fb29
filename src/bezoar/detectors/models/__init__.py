"""Detectors that score the classes of a model."""
