"""What each recipient may see: view files, the projection of resources, the card."""

from __future__ import annotations

from adapter.views.card import card
from adapter.views.declared import Declared
from adapter.views.facts import Facts, Need, etag, pairwise
from adapter.views.glass import Glass, of_now
from adapter.views.load import around_of, default_folder, load_declared, load_file, load_folder, load_labels, load_view, load_views
from adapter.views.matrix import load_matrix
from adapter.views.project import project
from adapter.views.shown import brief, classes
from adapter.views.view import View

__all__ = [
    "Declared", "Facts", "Glass", "Need", "View", "around_of", "brief", "card", "classes",
    "default_folder", "etag", "load_declared", "load_file", "load_folder", "load_labels",
    "load_matrix", "load_view", "load_views", "of_now", "pairwise", "project",
]  # fmt: skip
