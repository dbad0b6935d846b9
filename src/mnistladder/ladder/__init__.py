"""Rungs and seeds become trained results."""
