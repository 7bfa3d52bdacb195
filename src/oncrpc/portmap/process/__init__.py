"""The daemon as a process: its beginning, its user, its next image, its end."""
