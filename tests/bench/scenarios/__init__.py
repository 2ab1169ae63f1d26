"""What is measured, a module each: `measure` returns figures, `report` shows them."""
