"""What the daemon tells of itself, and the socket on which it does."""
