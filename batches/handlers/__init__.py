"""What each kind of entry of a batch's stream does to the batch's state."""
