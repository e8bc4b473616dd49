"""The people of the demo's plant: what an engineer, an inspection desk and a quality lead do when the day is over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from inspection import clock
from inspection.cameras import read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.params import Params, read_params
from inspection.records import commissions, holds, incidents, ledger
from inspection.records.batches import HELD, RELEASED
from inspection.records.catalog import open_catalog
from inspection.records.classes import add_class
from inspection.records.sheets import Imported, import_labels
from inspection.release import approval, aside, registry, requests, rulings
from inspection.release.readiness import Readiness, readiness
from inspection.taxonomy import Defect, read_taxonomy
from plant.shot import Shot, write_labels

ENGINEER, LEAD, DESK = "Erik (process engineer)", "Lena (quality lead)", "Inspection desk"
PATIENCE = 300  # labelled images at which no class is waited for any longer
MORE = 1.2  # times as many labelled images as the last time, before a first model is asked for again
Say = Callable[[str], None]


@dataclass
class Crew:
    """What people know and have done; `shots` are the captures so far, without their pictures."""

    layout: Layout
    say: Say
    shots: list[Shot] = field(default_factory=list)
    mails: int = 0  # read so far
    asked_with: int = 0  # labelled images when a first model was asked for
    refused: int = 0  # labels, the last time

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
        unknown = {shot.label for shot in self.shots if shot.label} - set(read_taxonomy(self.layout.taxonomy).classes)
        if done.refused and unknown:
            self.say(f"  labels    {done.refusals} refused: {done.refused[0][1]}")
            for name in sorted(unknown):
                spec = read_taxonomy(self.layout.taxonomy).spec
                seen = Defect(name=name, description="new this week", severity="major", acceptable=False, since=spec)
                add_class(self.layout, seen, LEAD)
                self.say(f"  class     {name} declared by {LEAD}")
            more = self._import()
            done = replace(more, taken=done.taken + more.taken, known=done.known)
        why = ""
        if done.refusals not in (0, self.refused):
            why = f", {done.refusals} refused, such as line {done.refused[0][0]}: {done.refused[0][1]}"
        self.refused = done.refusals
        self.say(f"  labels    {done.taken} taken in{why}")

    def release_held(self) -> None:
        """The quality lead lets the good pictures of a batch in that was held because of the others."""
        for one in holds.every(self.layout):
            if one.state == HELD:
                holds.rule(self.layout, one.batch, RELEASED, LEAD, "what was refused stays out, the rest is looked at")
                self.say(f"  held      {one.batch} ({'; '.join(one.why)}): released by {LEAD}")

    def commission(self) -> None:
        """The engineer declares the days so far healthy of each camera that has two windows; after a release that
        taught the model a new light, that light becomes the reference."""
        from flows.commission import commission
        from flows.tasks import run_here

        have = commissions.current(ledger.read(self.layout))
        least = 2 * self.settings.watch.window_images
        cameras = [name for name in read_cameras(self.layout.cameras) if name not in have]
        cameras = [name for name in cameras if self.captures(name) >= least]
        if cameras:
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

    def ready(self) -> Readiness:
        """Whether there is enough for a first model."""
        catalog = open_catalog(self.layout)
        labelled = aside.sorted_out(self.layout, catalog)
        catalog.close()
        return readiness(labelled, self.settings)

    def ask_for_first_model(self, last: bool = False) -> None:
        """The engineer asks for a first model as soon as two classes have enough pieces and the gate can be passed, but
        waits a while for classes that have too few yet; when the `last` labels are there, for what can be learned."""
        from flows.retrain import retrain
        from flows.tasks import run_here

        if registry.live(self.layout) is not None:
            return
        found = self.ready()
        thin = found.thin if found.images < PATIENCE else ()
        missing = found.lacks if last else (*found.lacks, *found.doubts, *thin)
        if missing or found.images < (1 if last else MORE) * self.asked_with + 1:
            return
        self.asked_with = found.images
        self.say(f"  retrain   first model, asked for by {ENGINEER}: {found.images} images may be learned from")
        self._told(run_here(retrain, "first model", ENGINEER, root=self.layout.root))

    def make_do(self, laid: Sequence[str]) -> None:
        """Where there was never enough for a first model, wait for the last labels and make one of what there is: of
        incidents that no fault was `laid` on for, the quality lead lets the images teach."""
        if registry.live(self.layout) is not None:
            return
        self.label()
        if not laid:
            self.let_in()
        self.ask_for_first_model(last=True)

    def let_in(self) -> None:
        """The quality lead lets the images of open incidents teach: the desk could label them as they are."""
        for one in incidents.fold(ledger.read(self.layout)):
            if one.open and one.action == "repair" and not one.ruling:
                rulings.rule(self.layout, one.name, LEAD, "use")
                self.say(f"  ruling    images of {one.name} may be learned from, said {LEAD}: these parts come so now")

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
        if result["aside"] and not result["promote"]:
            self.say(f"            {result['aside']}")

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

    def captures(self, camera: str) -> int:
        """Pictures that the camera took so far."""
        return sum(shot.camera == camera for shot in self.shots)


def evening(day: date, shots: Sequence[Shot] = ()) -> datetime:
    """When a day is looked at: at 22:00 UTC, when the late shift is over, or as soon as its last picture was taken."""
    late = datetime.combine(day, time(22), UTC)
    return max([late, *(shot.captured_at for shot in shots)])
