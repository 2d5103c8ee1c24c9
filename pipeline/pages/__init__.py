"""The pages that the build writes."""
