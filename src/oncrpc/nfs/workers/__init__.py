"""Worker processes of ``nfsd``: messages to them, starting them, and what they report."""
