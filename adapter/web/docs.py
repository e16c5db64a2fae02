"""`/docs`: the OpenAPI document as one page. Made here, no script in it, nothing from anybody else's server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from adapter.fhir import details
from adapter.web.described import REFUSALS

Schema = dict[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
details { border: 1px solid #767676; border-radius: 4px; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer } summary code { font-weight: 600 } h3 { margin: 1rem 0 .25rem; font-size: 1rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #ccc }
pre { background: #f2f2f2; padding: .5rem; overflow-x: auto; white-space: pre-wrap } a { color: #0b4f8a }
"""
ABOUT = {  # what holds for many doors at once
    "fhir": (
        "R4 (4.0.1), in JSON or XML by Accept, Content-Type or _format. What each type offers, its search parameters and includes stand in fhir/metadata. "
        "A read or write answers with ETag (the version, W/\"3\") and Last-Modified; a create with Location.",
        "Send the ETag back: in If-None-Match a read is 304 while nothing changed; in If-Match an update, patch or delete is done only to that version, else "
        "412. Without If-Match the last writer wins. If-None-Exist creates only what is not there yet; an update that changes nothing makes no version.",
        "Prefer: return=minimal leaves the body out, return=representation gives it (by default; in a Bundle only when asked for), "
        "return=OperationOutcome says how it went; handling=lenient passes over unknown search parameters and says so, "
        "handling=strict (by default) refuses them.",
    ),
}


def door(describe: Callable[[], Schema]) -> Callable[[Request], Any]:
    """The endpoint of the page. `describe` gives the OpenAPI document."""

    async def docs(_: Request) -> Response:
        return HTMLResponse(page(describe()), headers={"Content-Security-Policy": POLICY})

    return docs


def page(document: Schema) -> str:
    """The whole page: doors by tag, then the shapes they speak of."""
    told = document["info"]
    title = escape(f"{told['title']} {told['version']}")
    parts = [
        f"<h1>{title}</h1><p>{escape(told['description'])}</p>",
        '<p>The same for machines: <a href="openapi.json">openapi.json</a>; FHIR: <a href="fhir/metadata">fhir/metadata</a>; '
        'every request ready to send, for Postman or Bruno: <a href="docs/collection.json">docs/collection.json</a>. Times are instants with their zone.</p>',
        *_contents(document),
        *_schemes(document), *_doors(document), *_refusals(), *_codes(), '<h2 id="shapes">Shapes</h2>', *_shapes(document),
    ]  # fmt: skip
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _schemes(document: Schema) -> Iterator[str]:
    rows = [[f"<code>{escape(name)}</code>", escape(f"HTTP {each['scheme']}" if "scheme" in each else f"header {each['name']}"), escape(each["description"])]
            for name, each in document["components"]["securitySchemes"].items()]  # fmt: skip
    yield "<h2>Who may come in</h2>" + _table(("scheme", "how", ""), rows)


def _contents(document: Schema) -> Iterator[str]:
    links = ", ".join(f'<a href="#door-{escape(tag)}">{escape(tag)}</a>' for tag in _tags(document))
    yield f'<p>Doors: {links}. <a href="#refusals">Refusals</a>, <a href="#codes">error codes</a>, <a href="#shapes">shapes</a>.</p>'


def _tags(document: Schema) -> list[str]:
    return list(dict.fromkeys(tag for methods in document["paths"].values() for operation in methods.values() for tag in operation["tags"]))


def _doors(document: Schema) -> Iterator[str]:
    every = [(path, method, operation) for path, methods in document["paths"].items() for method, operation in methods.items()]
    for tag in _tags(document):
        yield f'<h2 id="door-{escape(tag)}">{escape(tag)}</h2>' + "".join(f"<p>{escape(said)}</p>" for said in ABOUT.get(tag, ()))
        for path, method, operation in every:
            if tag in operation["tags"]:
                head = f"<summary><code>{method.upper()} {escape(path)}</code> {escape(operation['summary'])}</summary>"
                yield f"<details>{head}{''.join(_operation(operation))}</details>"


def _operation(operation: Schema) -> Iterator[str]:
    who = ", ".join(f"<code>{escape(name)}</code>" for each in operation["security"] for name in each)
    yield f"<p>{f'With {who}.' if who else 'Without a token.'} {escape(operation.get('description', ''))}</p>"
    if operation["parameters"]:
        rows = [[f"<code>{escape(each['name'])}</code>", escape(each["in"] + ("" if each["required"] else ", optional")),
                 escape(each["description"]) + _words(each["schema"])] for each in operation["parameters"]]  # fmt: skip
        yield "<h3>Parameters</h3>" + _table(("name", "in", ""), rows)
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Body</h3><p><code>{escape(media)}</code>: {_type(content['schema'])}</p>"
        for name, example in content.get("examples", {}).items():
            yield f"<p>{escape(name)}</p><pre>{escape(json.dumps(example['value'], ensure_ascii=False))}</pre>"
    rows = [[f"<code>{escape(status)}</code>", escape(each["description"]),
             ", ".join(f"{_type(content['schema']) if content else ''} <code>{escape(media)}</code>" for media, content in each.get("content", {}).items())]
            for status, each in operation["responses"].items()]  # fmt: skip
    yield "<h3>Answers</h3>" + _table(("status", "", "body"), rows)


def _shapes(document: Schema) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        required = schema.get("required", ())
        rows = [[f"<code>{escape(key)}</code>", _type(part) + ("" if key in required else ", optional"), escape(part.get("description", "")) + _words(part)]
                for key, part in schema.get("properties", {}).items()]  # fmt: skip
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema["description"])}</p>' + (_table(("key", "", ""), rows) if rows else "")


def _refusals() -> Iterator[str]:
    yield '<h2 id="refusals">Refusals</h2><p>Each is an OperationOutcome: <code>expression</code> says where, <code>diagnostics</code> what was expected, '
    yield "<code>details.coding</code> why, by a code that stays. No value of the request is repeated. "
    yield "After 503 ask again when <code>Retry-After</code> says.</p>"
    yield _table(("status", "meaning"), [[f"<code>{status}</code>", escape(said)] for status, said in REFUSALS.items()])


def _codes() -> Iterator[str]:
    yield f"<h2 id=\"codes\">Error codes</h2><p>Of <code>issue.details.coding</code>, system <code>{details.SYSTEM}</code>; a code keeps its meaning.</p>"
    yield _table(("code", "meaning"), [[f"<code>{escape(code)}</code>", escape(said)] for code, said in details.CODES.items()])


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "oneOf" in schema:
        return " or ".join(map(_type, schema["oneOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    inner = ", ".join(escape(key) for key in schema.get("properties", ()))
    types = schema.get("type", "")
    return escape(schema.get("format") or (types if isinstance(types, str) else " or ".join(types))) + (f" ({inner})" if inner else "")


def _words(schema: Schema) -> str:
    return f" <br>one of {', '.join(f'<code>{escape(word)}</code>' for word in schema['enum'])}" if "enum" in schema else ""


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{''.join(f'<th scope=col>{escape(head)}</th>' for head in heads)}</tr></thead><tbody>{body}</tbody></table>"
