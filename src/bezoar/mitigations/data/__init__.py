"""Repairs of a training set."""
