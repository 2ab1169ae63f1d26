"""The scenarios, one module for each printed table: `measure` returns its figures, `to_table` formats them."""
