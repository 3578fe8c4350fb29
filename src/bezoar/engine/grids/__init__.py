"""Grids: every attack on every set against every detector, measured once and kept."""
