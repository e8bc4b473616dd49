"""The site's Prefect server, as PREFECT_API_URL names it: whom it lets in, its version, workers, deployments and runs.

It is asked over its API and not through Prefect's client, which would say less and take seconds to import.
"""

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from inspection import clock
from inspection.outside import documents

PATIENCE = 10  # seconds for an answer
FOREIGN = "http://elsewhere.invalid"  # the address of a page that is none of ours
MOST = 200  # entries of an answer, which is Prefect's own limit
REFUSED = (401, 403)


class Away(Exception):
    """It does not answer, or not as a Prefect server does; the message says why."""


@dataclass(frozen=True)
class Deployment:
    """One of a plant: `flow/name`, whether its schedules run, and the pool whose workers take it."""

    id: str
    name: str
    asleep: bool
    pool: str


@dataclass(frozen=True)
class Site:
    """A server by its API's address; `login` is USER:PASSWORD, "" for none."""

    url: str
    login: str = field(default="", repr=False)

    @classmethod
    def of_environment(cls) -> "Site | None":
        """What PREFECT_API_URL and PREFECT_API_AUTH_STRING say; None without an address."""
        url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
        return cls(url, os.environ.get("PREFECT_API_AUTH_STRING", "")) if url else None

    def stranger(self) -> "Site":
        """The same server, asked by somebody who knows no login."""
        return Site(self.url)

    def lets_in(self) -> bool:
        """Whether it answers a question, and would take a change. Raises Away."""
        asked = self._ask("/admin/version")[0], self._ask("/deployments/filter", {})[0]
        if odd := [status for status in asked if status not in (200, *REFUSED)]:
            raise Away(f"answers {odd[0]}")
        return 200 in asked

    def serves_pages_of_others(self) -> bool:
        """Whether a page of any address may read its answers in a browser. Raises Away."""
        allowed = self._ask("/health", headers={"Origin": FOREIGN})[1].get("access-control-allow-origin", "")
        return allowed in ("*", FOREIGN)

    def shows_pages(self) -> bool:
        """Whether it has pages for a browser: Prefect makes them anew at each start, where its account may write.
        Raises Away."""
        return Site(self.url.removesuffix("/api"))._ask("/")[0] == 200

    def version(self) -> str:
        """Raises Away."""
        return str(self._told("/admin/version"))

    def deployments(self, plant: str) -> list[Deployment]:
        """Those whose `root` is this plant. Raises Away."""
        flows = {one["id"]: one["name"] for one in self._listed("/flows/filter")}
        mine = [one for one in self._listed("/deployments/filter") if one["parameters"].get("root") == plant]
        return [
            Deployment(
                str(one["id"]),
                f"{flows.get(one['flow_id'], '?')}/{one['name']}",
                bool(one["paused"] or (one["schedules"] and not any(each["active"] for each in one["schedules"]))),
                str(one["work_pool_name"] or ""),
            )
            for one in mine
        ]

    def worker_seen(self, pool: str) -> tuple[bool, datetime | None]:
        """Whether a worker of the pool is at work, and when the last one told that it was. Raises Away."""
        found = self._listed(f"/work_pools/{pool}/workers/filter")
        seen = [clock.parse(one["last_heartbeat_time"]) for one in found if one.get("last_heartbeat_time")]
        return any(one.get("status") == "ONLINE" for one in found), max(seen, default=None)

    def late(self, deployments: Sequence[Deployment], before: datetime) -> list[tuple[str, datetime]]:
        """Runs that should have begun before a moment and have not: deployment and time, oldest first. Raises Away."""
        state, time = {"type": {"any_": ["SCHEDULED"]}}, {"before_": before.isoformat()}
        runs = self._runs(deployments, {"state": state, "expected_start_time": time}, "EXPECTED_START_TIME_ASC")
        return [(name, clock.parse(one["expected_start_time"])) for name, one in runs]

    def last_ended(self, deployment: Deployment) -> tuple[str, datetime, str] | None:
        """State, time and words of its newest run that ended, other than dropped ones. Raises Away."""
        state = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}
        runs = self._runs([deployment], {"state": state}, "END_TIME_DESC", limit=1)
        return next(
            (
                (one["state_type"], clock.parse(one["end_time"]), str(one["state"].get("message") or ""))
                for _, one in runs
                if one.get("end_time")
            ),
            None,
        )

    def _runs(
        self, deployments: Sequence[Deployment], chosen: Mapping[str, Any], sort: str, limit: int = MOST
    ) -> list[tuple[str, dict[str, Any]]]:
        names = {one.id: one.name for one in deployments}
        body = {"flow_runs": chosen, "deployments": {"id": {"any_": list(names)}}, "sort": sort, "limit": limit}
        return [(names.get(str(one["deployment_id"]), "?"), one) for one in self._told("/flow_runs/filter", body)]

    def _listed(self, path: str) -> list[dict[str, Any]]:
        """Every entry, page after page."""
        found: list[dict[str, Any]] = []
        while page := self._told(path, {"limit": MOST, "offset": len(found)}):
            found += page
            if len(page) < MOST:
                break
        return found

    def _told(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        status, _, said = self._ask(path, body)
        if status != 200:
            raise Away("does not accept the login" if status in REFUSED else f"answers {status} to {path}")
        try:
            return documents.json_of(said)
        except ValueError:
            raise Away("does not answer as a Prefect server does") from None

    def _ask(
        self, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers in small letters, content. Without a body it is a GET, else a POST."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self.login:
            sent["Authorization"] = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        content = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(self.url + path, content, sent)  # noqa: S310  checked below
            if request.type not in ("http", "https"):
                raise Away("is no address that begins with http:// or https://")
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except (OSError, ValueError) as error:
            raise Away(f"does not answer ({getattr(error, 'reason', None) or error})") from None
