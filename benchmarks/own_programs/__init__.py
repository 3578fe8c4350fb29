"""Bezoar's side of each comparison, one program a process."""
