"""A camera as far as the ledger tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.records import alarms, commissions, incidents, ledger
from inspection.records.commissions import Commission
from inspection.records.incidents import Incident
from inspection.taxonomy import read_taxonomy
from monitoring.judgement import reference
from monitoring.telling.plots import Story


@dataclass(frozen=True)
class Scene:
    """A camera as far as the ledger tells of it: its windows by time, its references and incidents, its time zone, what
    it is held against (None while it is learning), and the classes that are no defects."""

    camera: str
    windows: tuple[Mapping[str, Any], ...]
    commissions: tuple[Commission, ...]
    incidents: tuple[Incident, ...]
    zone: ZoneInfo
    held: tuple[Commission, reference.Reference] | None
    good: tuple[str, ...]

    @classmethod
    def of(cls, layout: Layout, camera: str, window: str = "") -> "Scene":
        """With the reference that `window` was held against, otherwise the one that holds now.

        Raises:
            CheckHistory: the reference is damaged. FetchData: it is not here.
        """
        events = ledger.read(layout)
        seen = alarms.windows(events)
        every = {one.version: one for one in commissions.fold(events).get(camera, ())}
        version = next((one["reference"] for one in seen if one["window"] == window), "")
        declared = every.get(version) or commissions.current(events).get(camera)
        known = read_cameras(layout.cameras).get(camera)
        return cls(
            camera=camera,
            windows=tuple(sorted((one for one in seen if one["camera"] == camera), key=lambda one: str(one["last"]))),
            commissions=tuple(every.values()),
            incidents=tuple(one for one in incidents.fold(events) if camera in one.cameras),
            zone=known.zone if known else ZoneInfo("UTC"),
            held=(declared, reference.load(declared.folder(layout), declared.digest)) if declared else None,
            good=tuple(name for name, one in read_taxonomy(layout.taxonomy).classes.items() if one.acceptable),
        )

    @property
    def story(self) -> Story:
        """What happened besides, for a plot."""
        return Story(
            [(one.version, one.at) for one in self.commissions],
            self.zone,
        )
