"""Twins: pure models of equipment."""
