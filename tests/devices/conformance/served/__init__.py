"""One file for each file of devices/drivers, of the same name: how its unit is served to the suite."""
