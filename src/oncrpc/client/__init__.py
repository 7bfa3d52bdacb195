"""The client half that the asyncio and the blocking driver share."""
