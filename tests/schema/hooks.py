"""What schemathesis has to know besides the document: how bodies of these media types become bytes.
What is generated is seldom a record, a token or an image; what matters is the answer to it."""

import json

import schemathesis


@schemathesis.serializer(
    "application/jwt",
    "application/vc",
    "application/vc+jwt",
    "application/vnd.credlog.record",
    "application/vnd.credlog.records",
    "application/vp",
    "application/vp+jwt",
    "image/png",
    "image/svg+xml",
)
def whole(_context, value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    if isinstance(value, bytes):
        return value
    values = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(value) for value in values).encode()
