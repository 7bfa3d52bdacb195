"""Where the daemon's lines go, and their words."""
