"""The web pages and metrics of a daemon."""
