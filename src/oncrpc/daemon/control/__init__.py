"""The control socket: what a daemon reports about itself."""
