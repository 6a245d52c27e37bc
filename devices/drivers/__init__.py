"""Drivers: one plain class in one file per make of device."""
