"""Broken versions of the way out, each of which the non-interference test must catch."""
