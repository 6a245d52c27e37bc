"""Phase classes: one file per class and version, each a generator of steps."""
