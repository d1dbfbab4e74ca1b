"""What joins a user's own training loop."""
