"""Pixels and labels from anywhere. No torch."""
