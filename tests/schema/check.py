"""Holds a node to its own description: the OpenAPI document at /openapi.json.

    check.py URL [--golden FOLDER] [--max-examples N] [--seed N] [--digest HEX]

First the example answers of crates/api/tests/golden/ are validated against the schemas of their
routes. Then schemathesis makes requests from the document, good and bad ones, and judges every
answer: no server error, and a status, media type, header and body that the document describes.
Path parameters get values that this node knows, so that more than 404 is seen.

Exit code 0: nothing found; 1: something is; 2: it could not be run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request

import jsonschema

# A golden file, and the answer or request whose schema it has to meet.
GOLDEN = {
    "achievements.json": ("get", "/v1/issuers/{did}/achievements"),
    "block.json": ("get", "/v1/blocks/{height}"),
    "blocks.json": ("get", "/v1/blocks"),
    "crowd.json": ("get", "/v1/credentials"),
    "crowd.json": ("get", "/v1/credentials"),
    "evidence.json": ("get", "/v1/evidence"),
    "facts.json": ("get", "/v1/credentials/{digest}"),
    "issuer.json": ("get", "/v1/issuers/{did}"),
    "issuers.json": ("get", "/v1/issuers"),
    "ledger.json": ("get", "/v1/ledger"),
    "members.json": ("get", "/v1/members"),
    "proposals.json": ("get", "/v1/proposals"),
    "record.json": ("get", "/v1/records/{id}"),
    "status-list.json": ("get", "/v1/status-lists/{list}"),
    "submit-outcomes.json": ("post", "/v1/records"),
    "verdict.json": ("post", "/v1/verify"),
}
SCHEMAS = {"event.json": "Event", "problem.json": "Problem"}
# What the node sends by itself is not described.
OTHERS = ["webhook.json"]
REQUESTS = ["verify-credential.json", "verify-digest.json"]
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
# A stream does not end by itself.
ENDLESS = ["/v1/events"]
RUN_SECONDS_MAX = 3600


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def validate(api, schema, value, name):
    """A schema of the document against a value, with the document's other schemas at hand."""
    whole = {**schema, "components": api["components"]}
    validator = jsonschema.Draft202012Validator(whole)
    errors = sorted(validator.iter_errors(value), key=str)
    for error in errors:
        print(f"{name}: {error.json_path}: {error.message[:300]}", file=sys.stderr)
    return not errors


def check_golden(api, folder):
    """Whether all golden files meet their schemas."""
    good = True
    known = {}
    for name, (method, path) in GOLDEN.items():
        answer = api["paths"][path][method]["responses"]["200"]
        known[name] = answer["content"]["application/json"]["schema"]
    for name, schema in SCHEMAS.items():
        known[name] = {"$ref": f"#/components/schemas/{schema}"}
    body = api["paths"]["/v1/verify"]["post"]["requestBody"]
    for name in REQUESTS:
        known[name] = body["content"]["application/json"]["schema"]
    left_out = set(os.listdir(folder)) - set(known) - set(OTHERS)
    if left_out:
        print(f"no schema is known for {sorted(left_out)}", file=sys.stderr)
        good = False
    for name, schema in known.items():
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            value = json.load(file)
        # Some files hold several examples of one kind.
        values = value if isinstance(value, list) else [value]
        for value in values:
            good &= validate(api, schema, value, name)
            if "required" in resolve(api, schema):
                good &= refuses_less(api, schema, value, name)
    return good


def resolve(api, schema):
    while "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def refuses_less(api, schema, value, name):
    """A schema that allows anything would be met by anything: without a required property the
    value must not meet it."""
    for required in resolve(api, schema)["required"]:
        less = {key: value[key] for key in value if key != required}
        whole = {**schema, "components": api["components"]}
        if jsonschema.Draft202012Validator(whole).is_valid(less):
            print(f"{name}: meets its schema without {required}", file=sys.stderr)
            return False
    return True


def known_values(url, digest):
    """Values of path parameters that the node knows, by name."""
    values = {"height": 1, "list": 0, "path": "0/000.p/1", "purpose": "revocation"}
    if digest:
        values["digest"] = digest
    for block in fetch(f"{url}/v1/blocks")["items"]:
        if block["recordCount"]:
            values["height"] = block["height"]
            records = fetch(f"{url}/v1/blocks/{block['height']}")["records"]["items"]
            values["id"] = records[0]["recordId"]
            break
    issuers = fetch(f"{url}/v1/issuers?limit=1")["items"]
    if issuers:
        values["did"] = issuers[0]["id"]
        values["slug"] = issuers[0]["id"].rsplit(":", 1)[1].lower()
    return values


def with_examples(api, values):
    for item in api["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in values:
                    parameter["example"] = values[parameter["name"]]
    return api


def run_schemathesis(api, url, options):
    with tempfile.TemporaryDirectory() as folder:
        document = os.path.join(folder, "openapi.json")
        with open(document, "w", encoding="utf-8") as file:
            json.dump(api, file)
        command = [
            os.path.join(os.path.dirname(sys.executable), "st"), "run", document,
            "--url", url,
            "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(options.max_examples),
            "--seed", str(options.seed),
            "--continue-on-failure",
            "--request-timeout", "40",
            "--suppress-health-check", "all",
            "--warnings", "off",
            "--no-color",
        ]
        for path in ENDLESS:
            command += ["--exclude-path", path]
        here = os.path.dirname(os.path.abspath(__file__))
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": here}
        return subprocess.run(
            command, cwd=folder, env=environment, timeout=RUN_SECONDS_MAX, check=False
        ).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--golden")
    parser.add_argument("--digest")
    parser.add_argument("--max-examples", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    url = options.url.rstrip("/")
    api = fetch(f"{url}/openapi.json")
    if options.golden and not check_golden(api, options.golden):
        return 1
    with_examples(api, known_values(url, options.digest))
    return 1 if run_schemathesis(api, url, options) else 0


if __name__ == "__main__":
    sys.exit(main())
