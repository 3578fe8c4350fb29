"""Finds poison in machine-learning training sets, and proves it."""
