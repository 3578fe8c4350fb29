"""Detectors that score inputs as a model meets them."""
