"""Repairs of a model with a few clean inputs. The model that came stays as it is."""
