"""Everything that touches equipment: the device protocol, drivers, servers and twins."""
