"""Decks, labware and backends of liquid handlers as pylabrobot objects.

Loading pylabrobot takes one to two seconds, and its tracking switches are global to a process: only
the driver's `connect`, inside a device host, imports this package.
"""
