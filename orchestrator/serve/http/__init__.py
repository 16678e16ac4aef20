"""Requests and answers over HTTP, as an ASGI application."""
