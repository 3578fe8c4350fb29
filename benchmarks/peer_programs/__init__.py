"""The peers' side of each comparison. Each program runs in its peer's environment, where Bezoar is not installed."""
