"""The plant's cluster (Dask): items in shards, rows back in order. It may lose workers, and its scheduler, at any time.

Dask hands a shard out again when its worker ends, and gives it up after `allowed-failures` (3) further ones. Then its
items are tried one by one with nothing beside them: the one that ends its workers again is lost, all others are not.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, Future, Security, wait
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from inspection.errors import AndonError, FixSettings, WaitForOther
from inspection.network.features import Features
from inspection.network.shelf import Shelf
from inspection.scale import badge
from inspection.scale.address import Address, safe
from inspection.scale.shard import Parcel, packed
from inspection.scale.work import Item, Row, Work

SHARD = 16  # items: half a second of work, so that little is done twice, and a hundred times what handing it out costs
AHEAD = 2  # shards a worker's thread has at once, so that it never waits for the flow
PATIENCE = 60.0  # seconds without a scheduler, or without a worker that may work
CONNECT = 10.0  # seconds for one attempt
LOOK = 2.0  # seconds between two looks at who is there
_GONE = (CancelledError, FutureCancelledError, CommClosedError, TookTooLong, OSError)  # of the cluster, not of the work


@dataclass
class _Piece:
    """Work under way: its shards, those that wait, are out, ended their workers, or are done."""

    parcel: Parcel
    shards: list[Sequence[Any]]
    waiting: deque[int]
    out: dict[Future, int] = field(default_factory=dict)
    suspect: list[int] = field(default_factory=list)
    done: dict[int, list[Any]] = field(default_factory=dict)


class Cluster:
    """A connection to the scheduler, and the workers that may take work of this computer."""

    def __init__(self, given: str, shelf: Shelf, features: Features) -> None:
        self._address, self._shelf = safe(given), shelf
        self._recipe = features.recipe
        self._wanted = badge.wanted(features.recipe.precision)
        self._told: set[str] = set()
        self._threads, self._looked = 0, 0.0
        shelf.keep(features.network.read_bytes())
        self._client = self._connected()
        self._await_workers()

    def rows(self, work: Work[Item, Row], items: Sequence[Item], shard: int = SHARD) -> Iterator[Row]:
        """The rows, in order. Each item's row comes once, whatever was done twice."""
        if not items:
            return
        parcel = Parcel(self._wanted[0], self._shelf.folder, self._shelf.keep(packed(work)), self._recipe)
        shards = [items[start : start + shard] for start in range(0, len(items), shard)]
        piece = _Piece(parcel, shards, deque(range(len(shards))))
        try:
            for number in range(len(shards)):
                while number not in piece.done:
                    self._further(piece, work)
                yield from piece.done.pop(number)
        finally:
            self._leave(piece)

    def close(self) -> None:
        with suppress(*_GONE):
            self._client.close(timeout=CONNECT)

    def _further(self, piece: _Piece, work: Work[Any, Any]) -> None:
        """One step: hand out, wait for an answer, take what came; after a loss, begin with what was out."""
        try:
            self._hand_out(piece)
            if piece.out:
                self._collect(piece)
            elif piece.suspect:
                number = piece.suspect[0]
                piece.done[number] = [self._alone(piece.parcel, item, work) for item in piece.shards[number]]
                piece.suspect.pop(0)
        except _GONE as error:
            if isinstance(error, AndonError):
                raise
            piece.waiting.extendleft(sorted(piece.out.values(), reverse=True))
            piece.out.clear()
            self._again()

    def _hand_out(self, piece: _Piece) -> None:
        if time.monotonic() - self._looked > LOOK:
            self._await_workers()
        while piece.waiting and len(piece.out) < AHEAD * self._threads:
            number = piece.waiting.popleft()
            piece.out[self._submitted(piece.parcel, piece.shards[number], -number)] = number

    def _submitted(self, parcel: Parcel, items: Sequence[Any], priority: int) -> Future:
        needs = dict.fromkeys(self._wanted, 1)
        return self._client.submit(parcel, list(items), pure=False, resources=needs, priority=priority)

    def _collect(self, piece: _Piece) -> None:
        self._wait(list(piece.out))
        for future in [one for one in piece.out if one.done()]:
            number = piece.out[future]
            try:
                piece.done[number] = self._result(future)
            except KilledWorker:
                piece.suspect.append(number)
            del piece.out[future]

    def _wait(self, futures: list[Future]) -> None:
        """For the first answer, but not for long."""
        with suppress(TookTooLong), self._client.as_current():
            wait(futures, timeout=LOOK, return_when="FIRST_COMPLETED")

    def _alone(self, parcel: Parcel, item: Item, work: Work[Item, Row]) -> Row:
        """An item with nothing else out, so that what ends is its doing."""
        self._await_workers()
        future = self._submitted(parcel, [item], 0)
        while not future.done():
            self._wait([future])
            self._await_workers()
        try:
            (row,) = self._result(future)
        except KilledWorker:
            return work.lost(item)
        return row  # type: ignore[no-any-return]

    def _result(self, future: Future) -> list[Any]:
        """A shard's rows; what went wrong there is raised as it was, as the worker's own doing."""
        if future.status == "error":
            error = future.exception(timeout=CONNECT)
            if isinstance(error, OSError):  # a file or the network there, not the way to the cluster
                raise WaitForOther(f"A worker of the cluster stopped ({error}): see to that, and run it again.")
            raise error
        return list(future.result(timeout=CONNECT))

    def _leave(self, piece: _Piece) -> None:
        if self._client.status == "running":
            with suppress(*_GONE):
                self._client.cancel(list(piece.out), force=True)

    def _again(self) -> None:
        """Connect anew after the scheduler was lost; what was out is handed out again."""
        self.close()
        print("The Dask cluster was lost; waiting for it to come back.", file=sys.stderr)
        self._client = self._connected()
        self._await_workers()

    def _connected(self) -> Client:
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(*_GONE):
                return _client(self._address)
            if time.monotonic() > until:
                doubt = ", or takes none of these certificates" if self._address.is_tls else ""
                raise WaitForOther(
                    f"The Dask cluster at {self._address.uri} does not answer{doubt}. Nothing is lost: start its "
                    'scheduler (docs/production.md) and run it again, or set scale.dask to "" to work on this computer.'
                )
            time.sleep(1)

    def _await_workers(self) -> None:
        """Count the threads that may work; wait for one.

        Raises:
            FixSettings: all that are there compute by something else. WaitForOther: there are none.
        """
        until = time.monotonic() + PATIENCE
        while True:
            fit, unfit = self._workers()
            self._refuse(unfit)
            if fit:
                self._threads, self._looked = fit, time.monotonic()
                return
            if unfit and time.monotonic() > until - PATIENCE * 0.75:
                raise FixSettings("No worker of the Dask cluster may work for this plant: see to what is said above.")
            if time.monotonic() > until:
                raise WaitForOther(
                    f"The Dask cluster at {self._address.uri} has no worker. Nothing is lost: run `andon scale worker` "
                    'on the computers that are to work, or set scale.dask to "" to work on this one.'
                )
            time.sleep(0.5)

    def _workers(self) -> tuple[int, dict[str, str]]:
        """Threads of those that wear what is wanted; address -> name of the others."""
        there: Mapping[str, Any] = self._client.scheduler_info()["workers"]
        fit, unfit = 0, {}
        for address, one in there.items():
            if all(name in one["resources"] for name in self._wanted):
                fit += one["nthreads"]
            else:
                unfit[address] = str(one["name"])
        return fit, unfit

    def _refuse(self, unfit: Mapping[str, str]) -> None:
        """Say once why each of these workers gets nothing."""
        new = [address for address in unfit if address not in self._told]
        if not new:
            return
        said = self._client.run(badge.told, workers=new, on_error="return")
        for address in new:
            self._told.add(address)
            why = badge.difference(said.get(address), self._recipe.precision)
            print(f"Worker {unfit[address]} gets no work: {why}.", file=sys.stderr)


def _client(address: Address) -> Client:
    """Connected; rows come through the scheduler, so that nobody but it is connected to."""
    security = (
        Security(
            tls_ca_file=address.ca, tls_client_cert=address.cert, tls_client_key=address.key, require_encryption=True
        )
        if address.is_tls
        else Security()
    )
    return Client(
        address.uri,
        security=security,
        timeout=CONNECT,
        set_as_default=False,
        direct_to_workers=False,
        name="andon",
    )
