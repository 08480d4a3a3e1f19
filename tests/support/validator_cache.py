"""Give rocrate-validator the JSON-LD context of RO-Crate 1.1, so that it needs no network.

Run by the interpreter of the validator: ``python validator_cache.py CACHE CONTEXT``. The context
is that of 1.3, which the package rocrate ships. It has the terms of 1.1 (but for five that no
crate here uses) with the same meaning, except those of Bioschemas, which are set to the ones of
1.1: https://www.researchobject.org/ro-crate/specification/1.1/context.jsonld
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from requests import Request, Response
from requests_cache import CachedSession
from urllib3 import HTTPResponse

URL = "https://w3id.org/ro/crate/1.1/context"
BIOSCHEMAS = "https://bioschemas.org/"
OF_VERSION_1_1 = {
    "ComputationalWorkflow": f"{BIOSCHEMAS}ComputationalWorkflow",
    "FormalParameter": f"{BIOSCHEMAS}FormalParameter",
    "input": f"{BIOSCHEMAS}ComputationalWorkflow#input",
    "output": f"{BIOSCHEMAS}ComputationalWorkflow#output",
}


def main(cache: str, context: str) -> None:
    """Keep the context as the answer to the request that the validator makes."""
    terms = json.loads(Path(context).read_text(encoding="utf-8"))["@context"]
    data = json.dumps({"@context": {**terms, **OF_VERSION_1_1}}).encode()
    headers = {"Accept": "application/ld+json, application/json, */*;q=0.1"}
    session = CachedSession(cache_name=cache, backend="sqlite")
    answer = Response()
    answer.status_code, answer.url, answer._content = 200, URL, data
    answer.request = session.prepare_request(Request("GET", URL, headers=headers))
    answer.headers["Content-Type"] = "application/ld+json"
    answer.raw = HTTPResponse(io.BytesIO(data), answer.headers, 200, preload_content=False)
    session.cache.save_response(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
