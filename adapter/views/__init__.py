"""What each recipient may see: view files, the projection of resources, the card."""

from __future__ import annotations

from adapter.views.card import card
from adapter.views.facts import Facts, Need, etag, pairwise
from adapter.views.glass import of_now
from adapter.views.load import default_folder, load_view, load_views
from adapter.views.project import project
from adapter.views.shown import classes
from adapter.views.view import View

__all__ = ["Facts", "Need", "View", "card", "classes", "default_folder", "etag", "load_view", "load_views", "of_now", "pairwise", "project"]
