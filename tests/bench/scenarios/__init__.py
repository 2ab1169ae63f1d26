"""The scenarios, one module for each printed table: `measure` returns the figures, `to_table` formats them."""
