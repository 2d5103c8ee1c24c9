"""Multiple-precision and ball arithmetic: any number of digits, and enclosures."""
