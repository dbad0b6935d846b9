"""Climb MNIST from a linear softmax to pseudo-labelled ensembles, one YAML config per rung."""

__version__ = "0.1.0"
