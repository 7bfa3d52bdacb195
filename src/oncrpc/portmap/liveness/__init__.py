"""Registrations whose server is gone are found, and go."""
