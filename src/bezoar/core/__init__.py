"""Floor 0: the vocabulary. Imports no other room."""
