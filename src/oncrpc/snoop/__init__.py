"""RPC messages on the wire: from captured packets to calls, replies and words."""
