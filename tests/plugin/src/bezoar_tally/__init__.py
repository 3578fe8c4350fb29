"""A third-party plugin: one detector."""
