"""The book's figures: one style (`style`), one module a chapter, one function a figure."""
