"""Twins served over the real protocols of the equipment they stand for."""
