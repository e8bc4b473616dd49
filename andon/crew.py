"""The people of the demo's plant: what an engineer, an inspection desk and a quality lead do when the day is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from inspection import clock
from inspection.cameras import read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.params import Params, read_params
from inspection.records import commissions, incidents, ledger, rulings
from inspection.records.classes import add_class
from inspection.records.sheets import Imported, export_labels, import_labels
from inspection.release import approval, registry, requests
from inspection.taxonomy import Defect, read_taxonomy
from plant.shot import Shot, write_labels

ENGINEER, LEAD, DESK = "Erik (process engineer)", "Lena (quality lead)", "Inspection desk"
Say = Callable[[str], None]


@dataclass
class Crew:
    """What people know and have done; `shots` are the captures so far, without their pictures."""

    layout: Layout
    say: Say
    first_labels: int  # labelled images from which the engineer asks for the first model
    shots: list[Shot] = field(default_factory=list)
    mails: int = 0  # read so far

    @property
    def settings(self) -> Params:
        return read_params(self.layout.params)

    def read_mails(self) -> None:
        """Say what was mailed since the last time."""
        mails = [event.body["subject"] for event in ledger.read(self.layout) if event.kind == "mail"]
        for subject in mails[self.mails :]:
            self.say(f"  mail      {subject}")
        self.mails = len(mails)

    def label(self) -> None:
        """The desk's CSV with every label given by now; a class that nobody declared is refused, then declared."""
        done = self._import()
        unknown = {shot.label for shot in self.shots} - set(read_taxonomy(self.layout.taxonomy).classes)
        if done.refused and unknown:
            self.say(f"  labels    {len(done.refused)} refused: {done.refused[0][1]}")
            for name in sorted(unknown):
                spec = read_taxonomy(self.layout.taxonomy).spec
                seen = Defect(name=name, description="new this week", severity="major", acceptable=False, since=spec)
                add_class(self.layout, seen, LEAD)
                self.say(f"  class     {name} declared by {LEAD}")
            more = self._import()
            done = Imported(done.taken + more.taken, done.known, more.refused)
        self.say(f"  labels    {done.taken} taken in")

    def commission(self) -> None:
        """The engineer declares the days so far healthy once each camera has two windows; after a release that
        taught the model a new light, that light becomes the reference."""
        from flows.commission import commission
        from flows.tasks import run_here

        have = commissions.current(ledger.read(self.layout))
        cameras = [name for name in read_cameras(self.layout.cameras) if name not in have]
        least = 2 * self.settings.watch.window_images
        if cameras and min(self._captures(name) for name in cameras) >= least:
            since = self.shots[0].captured_at
            made = run_here(commission, cameras, since, clock.now(), ENGINEER, root=self.layout.root)
            for one in made:
                self.say(f"  reference {one['camera']} {one['version']}: {one['images']} images, by {ENGINEER}")
        learned = self._learned()
        if learned:
            cameras = sorted({camera for one in learned for camera in one.cameras})
            since = max(one.onset[1] for one in learned)
            for made in run_here(commission, cameras, since, clock.now(), ENGINEER, root=self.layout.root):
                self.say(f"  reference {made['camera']} {made['version']}: this light is normal now, said {ENGINEER}")

    def ask_for_first_model(self) -> None:
        """The engineer asks for a first model as soon as enough is labelled."""
        from flows.retrain import retrain
        from flows.tasks import run_here

        if registry.live(self.layout) is not None or self._labelled() < self.first_labels:
            return
        self.say(f"  retrain   first model, asked for by {ENGINEER}")
        self._told(run_here(retrain, "first model", ENGINEER, root=self.layout.root))

    def make_do(self) -> None:
        """Where there was never enough for a first model, wait for the last labels and make one of what there is."""
        if registry.live(self.layout) is None:
            self.first_labels = 0
            self.label()
            self.ask_for_first_model()
            self.approve()

    def scheduled_retrain(self) -> None:
        """What the schedule does every hour: answer requests that are met."""
        from flows.retrain import retrain
        from flows.tasks import run_here

        result = run_here(retrain, root=self.layout.root)
        if result["requests"]:
            self._told(result)
            return
        for words in result["waits"]:
            self.say(f"  request   {words}")

    def approve(self) -> None:
        """The quality lead approves what passed the gate; it goes to the line."""
        from flows.promote import promote
        from flows.tasks import run_here

        for candidate in approval.requests(self.layout):
            if approval.state(self.layout, candidate) != "waiting for approval":
                continue
            approval.put_on_record(self.layout, candidate, LEAD, True, self.settings.approval.valid_days)
            release = run_here(promote, candidate.version, root=self.layout.root)
            self.say(f"  released  {release['version']}, approved by {release['by']}")

    def rule(self) -> None:
        """The quality lead drops the images of a fault that is over."""
        for one in incidents.fold(ledger.read(self.layout)):
            if not one.open and one.action == "repair" and not one.ruling:
                rulings.rule(self.layout, one.name, LEAD, "drop")
                self.say(f"  ruling    images of {one.name} are dropped, said {LEAD}")

    def drill(self) -> list[dict[str, Any]]:
        """The engineer rehearses an alarm; a plant without references cannot."""
        from flows.drill import drill, lines

        try:
            outcome = drill(self.layout, "dust")
        except FixInput as refusal:
            self.say(f"  no drill  {refusal}")
            return []
        for one in outcome:
            head, *details = lines(one)
            self.say("\n  ".join([f"  {head}", *([] if one["passed"] else details)]))
        return outcome

    def _told(self, result: dict[str, Any]) -> None:
        stands = "waits for approval" if result["promote"] else f"refused: {'; '.join(result['objections'])}"
        self.say(f"  candidate {result['version'] or 'the same model as before'}: {stands}")

    def _import(self) -> Imported:
        path: Path = self.layout.root / "labels.csv"
        write_labels(self.shots, path, DESK, clock.now())
        done = import_labels(self.layout, path, DESK)
        path.unlink()
        return done

    def _learned(self) -> Sequence[incidents.Incident]:
        """Open incidents whose retrain is on the line since more than half a day."""
        events = ledger.read(self.layout)
        released = {one.version: one.at for one in registry.history(self.layout)}
        done = {one.incident: released.get(one.candidate) for one in requests.fold(events) if one.incident}
        old = clock.now() - timedelta(hours=12)
        return [one for one in incidents.fold(events) if one.open and (done.get(one.name) or clock.now()) < old]

    def _captures(self, camera: str) -> int:
        return sum(shot.camera == camera for shot in self.shots)

    def _labelled(self) -> int:
        return int(export_labels(self.layout)["image_id"].nunique())


def evening(day: datetime, minutes: int) -> datetime:
    """So many minutes after 22:00 UTC, when the late shift is over."""
    return day + timedelta(hours=22, minutes=minutes)
