"""What a linear program answers: basis pursuit, attainable weights, stability, null spaces, when recovery succeeds."""
