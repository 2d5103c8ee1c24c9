"""Following a flow in time."""
