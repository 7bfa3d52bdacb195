"""Export rules: exports(5), the hosts that match, and the options that they get."""
