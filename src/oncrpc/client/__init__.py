"""The client code that the asyncio and the blocking driver share."""
