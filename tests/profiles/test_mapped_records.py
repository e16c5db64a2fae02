"""What the examples of every mapping document become, judged by the official validator (validator.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter.mapping import load, try_
from adapter.mapping.check import example_context
from adapter.mapping.document import as_list, as_text, as_tree, plain
from tests.validator import OfficialValidator

pytestmark = [pytest.mark.profiles, pytest.mark.shared]
DOCUMENTS = load(Path(__file__).resolve().parents[2] / "mappings")


def examples() -> list[Any]:
    """The resources of each example that makes some."""
    made = []
    for name, mapping in DOCUMENTS.items():
        for node in as_list(mapping.tree.need("examples"), "examples"):
            example = as_tree(node, "examples")
            context = example.get("context")
            facts = example_context(as_tree(context, "context") if context else None)
            mapped = try_(mapping, plain(example.need("record")), context=facts).mapped
            if mapped and mapped.resources:
                made.append(pytest.param(mapped.resources, id=f"{name}: {as_text(example.need('name'), 'name')}"))
    return made


@pytest.mark.parametrize("resources", examples())
def test_record_becomes_resources_that_pass_strictly_when_each_is_taken_alone(
    official_validator: OfficialValidator, resources: list[dict[str, Any]]
) -> None:
    assert official_validator.check(resources, bundle=False, strict=True) == []


@pytest.mark.parametrize("resources", examples())
def test_record_becomes_resources_that_pass_strictly_when_taken_as_a_whole(
    official_validator: OfficialValidator, resources: list[dict[str, Any]]
) -> None:
    # without orderDetail: the slice that cannot be judged (waiver order-detail-slice) would fail each reference to its request
    whole = [{key: value for key, value in resource.items() if key != "orderDetail"} for resource in resources]
    assert official_validator.check(whole, strict=True) == []
