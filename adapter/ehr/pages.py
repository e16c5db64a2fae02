"""One page of a search: what it holds, and where the next one is."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

from adapter.ehr.answers import Act, remote_of
from adapter.net import origin_of
from adapter.ports import Remote, Resource


def matches(bundle: Resource, act: Act) -> list[Remote]:
    """The resources of a page: matches of the type asked for, and what the search asked to include. Raises EhrRejected."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise act.unfit("expected a list of entries", 200)
    found = []
    for entry in entries:
        search = entry.get("search")
        mode = search.get("mode") if isinstance(search, dict) else "match"
        if mode != "outcome" and not _is_outcome(entry):
            found.append(remote_of(entry.get("resource"), act, any_type=mode == "include"))
    return found


def next_link(bundle: Resource, act: Act, *, base_url: str) -> str | None:
    """The address of the next page, None on the last. Raises EhrRejected when it is not this EHR's."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            return here(link.get("url"), act, base_url=base_url)
    return None


def here(url: object, act: Act, *, base_url: str) -> str:
    """An address below `base_url`, made absolute. Any other is an error, and nothing is sent there (security.md A-23)."""
    if not isinstance(url, str):
        raise act.unfit("expected a link to be text", 200)
    try:
        absolute = urljoin(base_url + "/", url)
        inside = origin_of(absolute) == origin_of(base_url)
        base, path = urlsplit(base_url).path.rstrip("/"), urlsplit(absolute).path
    except ValueError:
        raise act.unfit("a link that is no address", 200) from None
    below = path == base or path.startswith(f"{base}/")  # another path may be another tenant's
    if not inside or not below or "/.." in path or "\\" in absolute or "%2e" in path.lower():
        raise act.unfit("a link to another address, not followed", 200)
    return absolute


def _is_outcome(entry: dict[str, Any]) -> bool:
    resource = entry.get("resource")
    return isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome"
