"""What the commands share: files, fingerprints of code, stored tables."""
