"""Finding and dropping registrations whose server is gone."""
