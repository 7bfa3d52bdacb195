"""What is written to a host so that the port mapper is one of its services."""
