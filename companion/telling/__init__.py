"""How the book says what was found: excerpts of theorems, claims, numbers."""
