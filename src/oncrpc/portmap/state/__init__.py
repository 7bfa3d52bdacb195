"""The registry on disk, read again after every kind of end."""
