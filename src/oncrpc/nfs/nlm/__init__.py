"""The network lock manager: the programs that clients call, and the calls back to them."""
