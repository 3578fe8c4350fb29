"""Detectors that score the rows of a training set."""
