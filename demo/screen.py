"""What a person sees: progress while starting, what runs where, the timeline. Plain lines where there is no terminal."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .centre import NODES, VENUES, Centre
from .engine.faults import Fault as Misdeed
from .faults import Fault
from .people import HANDS, Person, password_file
from .processes import State
from .venue.faults import Fault as VenueFault

_STYLES = {None: "dim", State.STARTING: "yellow", State.READY: "green", State.FAILED: "bold red", State.ENDED: "dim"}
_PLAIN_WIDTH = 160  # a log has no edge to fold at


class Out(Console):
    """Standard output; when nobody reads it any more the demo ends as when its terminal is closed."""

    def on_broken_pipe(self) -> None:
        self.file = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
        signal.raise_signal(signal.SIGHUP)


def console(*, stderr: bool = False) -> Console:
    """Without a terminal: no colours, no control codes, and no folding of long lines."""
    out = Out(stderr=stderr, highlight=False)
    return out if out.is_terminal else Out(stderr=stderr, highlight=False, width=_PLAIN_WIDTH, color_system=None)


class Progress:
    """The parts with state and seconds to ready; on a terminal one table that is redrawn, else a line for each change."""

    def __init__(self, out: Console, addresses: Mapping[str, str]) -> None:
        self._out, self._addresses = out, addresses
        self._states = dict[str, State]()
        self._began, self._took = dict[str, float](), dict[str, float]()

    def told(self, name: str, state: State) -> None:
        """A part has changed; what ends when all ends is no news."""
        if state is State.ENDED:
            return
        self._states[name] = state
        self._took[name] = time.monotonic() - self._began.setdefault(name, time.monotonic())
        if not self._out.is_terminal and state is not State.STARTING:
            self._out.print(f"{name:<14}{state} after {self._took[name]:.1f} s")

    @contextmanager
    def shown(self) -> Iterator[None]:
        if not self._out.is_terminal:
            yield
            return
        with Live(console=self._out, get_renderable=self.table, refresh_per_second=8):
            yield

    def table(self) -> Table:
        table = Table(box=None, padding=(0, 3, 0, 0))
        for heading in ("part", "state"):
            table.add_column(heading)
        table.add_column("seconds", justify="right")
        table.add_column("address", no_wrap=True)
        for name, address in self._addresses.items():
            state = self._states.get(name)
            table.add_row(name, Text(state or "waiting", _STYLES[state]), self._seconds(name), address)
        return table

    def _seconds(self, name: str) -> Text:
        if self._states.get(name) is State.STARTING:
            return Text(f"{time.monotonic() - self._began[name]:.1f}", "yellow")
        return Text(f"{self._took[name]:.1f}" if name in self._took else "")


class Timeline:
    """One line per step as it happens: seconds since the fault, step, where it was seen."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def head(self, title: str) -> None:
        self._out.print(f"\n{title}\n", style="bold")
        self._out.print(f"{'since fault':>9}  {'step':<50}seen at", style="dim")

    def row(self, seconds: float | None, step: str, where: str, *, style: str = "") -> None:
        """`None`: before the fault."""
        when = "before" if seconds is None else f"{seconds:.1f}"
        self._out.print(f"{when:>9}  {step:<50}{where}", style=style, soft_wrap=True)

    @contextmanager
    def waiting(self, step: str) -> Iterator[None]:
        if not self._out.is_terminal:
            yield
            return
        with self._out.status(f"waiting: {step}"):
            yield


def _password(centre: Centre, person: Person) -> str:
    return password_file(centre.secrets, person).read_text()


def guide(centre: Centre) -> str:
    """What runs where, and what can be done with it."""
    faults, venues = f"{centre.url('proxy')}/nodes", f"{centre.url('venues')}/venues"
    venue, engine = next(iter(VENUES)), f"{centre.url('engine')}/faults"
    known = f'-H "Authorization: Bearer $(cat {centre.secrets}/engine_token)"'
    return "\n".join(
        (
            f"receiver      {centre.url('receiver')}/",
            *(
                f"log in        as {person.id}, who {person.does}: password {_password(centre, person)}"
                for person in HANDS
            ),
            f"metrics       {', '.join(f'{centre.url(name)}/metrics' for name in ('nodes', 'exchange', 'pools', 'engine'))}",
            f"Prometheus    {centre.url('prometheus')}/",
            f"Alertmanager  {centre.url('alertmanager')}/",
            *(f"Grafana       {address}/" for name, address in centre.addresses().items() if name == "grafana"),
            f"logs          {centre.logs}",
            f"break a node  curl -X PUT {faults}/{NODES[1]}/fault/{Fault.STALL}",
            f"mend it       curl -X DELETE {faults}/{NODES[1]}/fault",
            f"break a venue curl -X PUT {venues}/{venue}/fault/{VenueFault.FROZEN}",
            f"mend it       curl -X DELETE {venues}/{venue}/fault",
            f"or the engine curl -X PUT {engine}/{Misdeed.RUNAWAY} {known}",
            f"mend it       curl -X DELETE {engine} {known}",
            f"all faults    curl {faults} {venues}",
            "drills        occ drill --all, in another terminal; occ drill --help names them",
            f"time scale    {centre.scale:g}: waits and windows of rules and routes are divided by it, thresholds are not",
            f"messages      go to the receiver and the demo's own pager, {centre.url('pager')}/pages; tickets and dead man's switch are emptied",
        )
    )
