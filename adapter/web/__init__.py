"""The doors: FHIR, views, intake, tokens, health. `create(app)` gives the ASGI application."""

from adapter.web.create import create

__all__ = ["create"]
