"""What is said of an RPC message: a line in the words of snoop, a tree, and JSON."""
