"""The static checks of a recipe: one rule, one small function. The list is in `batches/check.py`."""
