"""What a daemon keeps on disk over a restart."""
