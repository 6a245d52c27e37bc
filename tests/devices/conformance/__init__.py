"""The driver conformance suite: every driver file by every rule, over sockets, with faults."""
