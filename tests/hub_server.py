"""A small hub on this machine: the routes that huggingface_hub's client asks for, over HTTP.

It keeps repositories of models in memory, with branches and commits, and answers as the real one
does: small files come in the commit, weights by LFS, and errors have the hub's own headers.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub_repository import RefusedError, Repository

WRITER = "hf_writer"
READER = "hf_reader"
UNLUCKY = "hf_unlucky"
"""Whom the hub answers that it is down."""

OWNERS = {WRITER: "user", READER: "guest"}
"""Who has which token."""

REPOSITORY = r"(?P<repository>[\w.-]+/[\w.-]+)"


class HubServer(ThreadingHTTPServer):
    """The hub; used as a context manager it serves in a thread of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.down = False
        self.cut = False
        self.told_size: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def environment(self, home: Path, token: str | None = WRITER) -> dict[str, str]:
        """Variables of a process whose client talks to this hub and keeps its files in `home`."""
        own = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "HUGGING"))}
        return {
            **own,
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "hf"),
            "XDG_CACHE_HOME": str(home / "cache"),
            # The hub's newer way of storing is a service of its own, which this is not.
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            **({} if token is None else {"HF_TOKEN": token}),
        }

    def run(self, home: Path, *words: str, token: str | None = WRITER) -> "Finished":
        """Run Python with these words, as a client of this hub."""
        done = subprocess.run(
            [sys.executable, *words],
            env=self.environment(home, token),
            capture_output=True,
            text=True,
            cwd=home,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class Finished:
    code: int
    out: str
    err: str


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *words: object) -> None:
        """Write nothing."""

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        self.body = self._read()
        path = urlsplit(self.path).path
        self.server.asked.append(f"{method} {path}")
        if self.server.down or self.token == UNLUCKY:
            self._send(503, b"down")
            return
        try:
            route, parts = self._route(method.replace("HEAD", "GET"), path)
            route(self, **parts)
        except RefusedError as refused:
            self._send(refused.status, json.dumps(refused.said or {}).encode(), **refused.headers)

    def _route(self, method: str, path: str) -> tuple[Callable[..., None], dict[str, str]]:
        for verb, form, route in ROUTES:
            if verb == method and (found := re.fullmatch(form, path)):
                parts = {name: unquote(part or "main") for name, part in found.groupdict().items()}
                return route, parts
        raise RefusedError(404)

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), Content_Type="application/json")

    @property
    def who(self) -> str | None:
        return OWNERS.get(self.token)

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _seen(self, repository: str) -> Repository:
        """Return a repository that the client may read."""
        found = self.server.repositories.get(repository)
        owns = self.who == repository.partition("/")[0]
        if found is None or (found.private and not owns):
            # Who is not known is not told whether a private repository exists.
            raise RefusedError(401 if self.who is None else 404, X_Error_Code="RepoNotFound")
        if found.gated and not owns:
            raise RefusedError(403, X_Error_Code="GatedRepo")
        return found

    def _owned(self, repository: str) -> Repository:
        """Return a repository that the client may write to."""
        found = self._seen(repository)
        self._expect(repository.partition("/")[0])
        return found

    def _expect(self, owner: str | None) -> None:
        if self.who is None or self.who != owner:
            raise RefusedError(401 if self.who is None else 403)

    def create(self) -> None:
        asked = json.loads(self.body)
        owner = asked.get("organization") or self.who
        self._expect(owner)
        name = f"{owner}/{asked['name']}"
        if name in self.server.repositories:
            raise RefusedError(409, {"url": f"{self.server.url}/{name}", "name": name})
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        made = self.server.repositories[name] = Repository(private)
        made.commit("main", {".gitattributes": b""})
        self._json({"url": f"{self.server.url}/{name}", "name": name})

    def branch(self, repository: str, branch: str) -> None:
        found = self._owned(repository)
        if branch in found.branches:
            raise RefusedError(409)
        found.branches[branch] = found.branches["main"]
        self._json({})

    def validate(self) -> None:
        self._json({"errors": [], "warnings": []})

    def preupload(self, repository: str, revision: str) -> None:
        found = self._owned(repository)
        found.files(revision)
        self._json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": mode_of(file["path"]),
                        "shouldIgnore": False,
                    }
                    for file in json.loads(self.body)["files"]
                ]
            }
        )

    def batch(self, repository: str) -> None:
        self._owned(repository)
        objects = json.loads(self.body)["objects"]
        for each in objects:
            if each["oid"] not in self.server.large:
                each["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}"}}
        self._json({"transfer": "basic", "objects": objects})

    def put_large(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise RefusedError(400)
        self.server.large[oid] = self.body
        self._send(200)

    def commit(self, repository: str, revision: str) -> None:
        found = self._owned(repository)
        files = {}
        for line in self.body.splitlines():
            told = json.loads(line)
            value = told["value"]
            if told["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif told["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
        oid = found.commit(revision, files)
        url = f"{self.server.url}/{repository}/commit/{oid}"
        self._json({"success": True, "commitOid": oid, "commitUrl": url})

    def info(self, repository: str, revision: str = "main") -> None:
        found = self._seen(repository)
        at = found.files(revision)
        siblings = [{"rfilename": name} for name in at[1]]
        self._json({"id": repository, "sha": at[0], "private": found.private, "siblings": siblings})

    def resolve(self, repository: str, revision: str, file: str) -> None:
        at = self._seen(repository).files(revision)
        commit, files = at
        if file not in files:
            raise RefusedError(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        data = files[file]
        digest = hashlib.sha256(data).hexdigest()
        if mode_of(file) == "lfs":
            self.server.large[digest] = data
            # Another host, to which a client must not hand its token.
            where = f"http://localhost:{self.server.server_port}/lfs/{digest}"
            linked = {
                "X_Linked_Etag": f'"{digest}"',
                "X_Linked_Size": str(self.server.told_size or len(data)),
            }
            self._send(302, Location=where, X_Repo_Commit=commit, **linked)
        else:
            self._send(200, data, ETag=f'"{digest}"', X_Repo_Commit=commit)

    def get_large(self, oid: str) -> None:
        data = self.server.large[oid]
        self._send(200, data[:100] if self.server.cut else data, ETag=f'"{oid}"')


def mode_of(path: str) -> str:
    """How a file comes in: the hub tells LFS for weights and pictures."""
    return "lfs" if path.endswith((".safetensors", ".webp", ".mp4", ".png")) else "regular"


ROUTES = [
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", Handler.validate),
    ("POST", rf"/api/models/{REPOSITORY}/branch/(?P<branch>[^/]+)", Handler.branch),
    ("POST", rf"/api/models/{REPOSITORY}/preupload/(?P<revision>[^/]+)", Handler.preupload),
    ("POST", rf"/api/models/{REPOSITORY}/commit/(?P<revision>[^/]+)", Handler.commit),
    ("GET", rf"/api/models/{REPOSITORY}(?:/revision/(?P<revision>[^/]+))?", Handler.info),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/lfs/(?P<oid>\w+)", Handler.put_large),
    ("GET", r"/lfs/(?P<oid>\w+)", Handler.get_large),
    ("GET", rf"/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<file>.+)", Handler.resolve),
]
