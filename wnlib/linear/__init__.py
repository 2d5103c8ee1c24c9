"""What everything rests on: ranks, judged in one place, and linear programs, solved with certificates."""
