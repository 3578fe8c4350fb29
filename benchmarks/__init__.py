"""Measures what an audit finds on real sets with known poison, and what a peer finds there."""
