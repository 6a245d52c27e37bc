"""What a recipe is, what may happen to a batch, what its record adds up to: the pure core."""
