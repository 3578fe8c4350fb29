"""Audits of models: opened, inspected by every detector, tried by experiment, held against a null of clean models."""
