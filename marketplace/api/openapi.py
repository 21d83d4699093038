"""What the API's description says of every operation."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from marketplace.core import problems

TEXT = {"type": "string"}
ERROR = {
    "type": "object",
    "properties": {"path": TEXT, "code": TEXT, "message": TEXT},
    "required": ["path", "code", "message"],
}
PROBLEM = {
    "type": "object",
    "description": "A refusal (RFC 9457). `type` is one of a fixed set; facts of it stand beside these members.",
    "properties": {
        "type": {**TEXT, "examples": ["/problems/insufficient-funds"]},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "errors": {"type": "array", "items": ERROR, "description": "Of what was sent: where, and what is expected."},
    },
    "required": ["type", "title", "status", "detail"],
}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the description names keys."""

    target_class = "marketplace.api.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A key of yours: `mh_…`"}


def with_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Every operation may answer with a problem."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = {"description": "A refusal.", "content": content}
    return result


def with_anything_once(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Where anything is allowed, null is; said beside it, "one of" would hold for neither."""
    _simplify(result)
    return result


def _simplify(node: Any) -> None:
    if isinstance(node, dict):
        if {} in node.get("oneOf", []):
            del node["oneOf"]
        for part in node.values():
            _simplify(part)
    elif isinstance(node, list):
        for part in node:
            _simplify(part)
