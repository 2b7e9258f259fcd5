"""What the small hub keeps of a repository, and how it refuses."""

import hashlib
from dataclasses import dataclass, field


class RefusedError(Exception):
    """What the hub does not do: a status, what it says, and headers with _ for -."""

    def __init__(self, status: int, said: object = None, **headers: str) -> None:
        self.status, self.said, self.headers = status, said, headers


@dataclass
class Repository:
    private: bool = False
    gated: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def files(self, revision: str) -> tuple[str, dict[str, bytes]]:
        commit = self.branches.get(revision, revision)
        if commit not in self.commits:
            raise RefusedError(404, X_Error_Code="RevisionNotFound")
        return commit, self.commits[commit]

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        before = self.commits.get(self.branches.get(branch, ""), {})
        after = {**before, **files}
        told = repr([branch, len(self.commits), sorted(after.items())]).encode()
        oid = hashlib.sha1(told).hexdigest()
        self.commits[oid], self.branches[branch] = after, oid
        return oid
