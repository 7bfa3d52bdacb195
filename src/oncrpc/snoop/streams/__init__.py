"""Streams and datagrams to RPC messages: records, resynchronisation, calls with their replies."""
