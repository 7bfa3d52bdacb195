"""Worker processes of ``nfsd``: how the server starts them and talks to them."""
