"""Floor 2: architectures, training, traces."""
