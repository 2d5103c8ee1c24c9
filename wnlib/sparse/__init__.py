"""What a linear program answers: basis pursuit, attainable weights, stability, when recovery succeeds."""
