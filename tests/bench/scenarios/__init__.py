"""What is measured, a module each: `measure` returns figures, `show` makes a table of them."""
