"""The coordinator's HTTP API, trusting one authority: the federation's. docs/endpoint.md lists its documents."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Refused(Exception):
    """The coordinator's problem document, in its words."""


@dataclass(frozen=True)
class Endpoint:
    """A coordinator at `url` (https://host:port), whose certificate the file `authority` (DER or PEM) vouches for."""

    url: str
    authority: Path

    def get(self, path: str) -> Any:
        """A document, as in `get("/v1/progress")`."""
        return self._ask(urllib.request.Request(self.url + path))

    def predict(self, rows: Sequence[Sequence[float]]) -> Any:
        """Classes and their probabilities of rows, each with the model's columns in order."""
        body = json.dumps({"rows": [list(row) for row in rows]}).encode()
        headers = {"content-type": "application/json"}
        return self._ask(urllib.request.Request(self.url + "/v1/predict", data=body, headers=headers))

    def pages(self, listed: str) -> list[Any]:
        """All items of a list that is read by pages: `rounds`, `rewards` or `evaluations`."""
        items: list[Any] = []
        page = 0
        rounds = self.get("/v1/progress")["rounds_listed"]
        while True:
            answer = self.get(f"/v1/{listed}/pages/{page}")
            items.extend(answer["items"])
            page += 1
            # Evaluations are paged by the round's number, so that a page may have gaps.
            if listed == "evaluations" and page * answer["size"] <= rounds:
                continue
            if listed == "evaluations" or len(answer["items"]) < answer["size"]:
                return items

    def _ask(self, request: urllib.request.Request) -> Any:
        encoded = self.authority.read_bytes()
        is_pem = encoded.startswith(b"-----")
        certificate = encoded.decode() if is_pem else ssl.DER_cert_to_PEM_cert(encoded)
        trust = ssl.create_default_context(cadata=certificate)
        try:
            with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            raise Refused(f"{problem.get('field', '')} {problem['detail']}".strip()) from None
