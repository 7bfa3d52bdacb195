"""Tests of the asyncio endpoints, links and servers, over the loopback interface."""
