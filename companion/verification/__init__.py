"""What a theorem file is, the cases it is measured on, and how it is verified."""
