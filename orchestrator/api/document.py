"""The OpenAPI document: as FastAPI makes it, with our errors and required headers said right.

`python -m orchestrator.api.document` prints it; docs/reference/openapi.json is that.
"""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from orchestrator.api.problems import MEDIA_TYPE, Problem

REQUIRED_HEADERS = frozenset({"Idempotency-Key", "If-Match"})
"""Asked for with sentences of our own, so that FastAPI takes them for optional."""
STREAM_OF_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}
PROBLEMS = {
    "4XX": "Refused, with one sentence that says what is wrong and what to do.",
    "5XX": "The record or the equipment cannot do it now, with one sentence.",
}


def install(app: FastAPI) -> None:
    """Let the application tell this document."""
    app.openapi = lambda: _document(app)


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = found["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = Problem.model_json_schema()
        for item in found["paths"].values():
            for operation in item.values():
                _correct(operation)
        found["paths"]["/api/v1/events"]["get"]["responses"]["200"]["content"] = STREAM_OF_EVENTS
        app.openapi_schema = found
    return app.openapi_schema


def _correct(operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)
    schema = {"$ref": "#/components/schemas/Problem"}
    for status, text in PROBLEMS.items():
        operation["responses"][status] = {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in REQUIRED_HEADERS:
            parameter["required"] = True
            parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": 200}


def main() -> None:
    """Print the document."""
    from orchestrator.app import create_app

    print(json.dumps(create_app().openapi(), indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
