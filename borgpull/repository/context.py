"""What a job gets: the run that it is a part of, its target, and a borg on the controller for that target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import transport
from ..borg.command_lines import Repository
from ..borg.passthrough import BorgArguments
from ..config import Config, Target
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, program_party, target_party
from ..events import Emit, Step, Warned
from ..ledger import Entry, Place, Store, place_in_grace, place_of, store_of
from ..ssh import Ahead, Master
from ..transport import BackupServer, BorgResult, LocalBorg, OnOutput, Reader, ServeRequest
from .space import Claim
from .step_events import StepEvents


@dataclass(frozen=True)
class RunContext:
    """What all jobs of a run share: the config, the backup server, and where events go.

    `cache` is where borg on the controller keeps its cache and its memory of repositories, `claim` what a target may
    add to the disk of the backup server. `ahead` has connections to targets, by name, that are being opened already.
    """

    config: Config
    server: BackupServer
    cache: Path
    emit: Emit
    claim: Claim = field(default_factory=Claim)
    ahead: dict[str, Ahead[Master]] = field(default_factory=dict)


class TargetContext:
    """One target and its repository.

    `kept` is the name of a state in Grace, to read that one instead. It stays as it is: borg takes no lock in it, and
    has a base directory of its own, because its memory is of newer states.
    """

    def __init__(self, run: RunContext, target: Target, *, kept: str = "") -> None:
        self.run = run
        self.config, self.server, self.cache = run.config, run.server, run.cache
        self.emit, self.claim = run.emit, run.claim
        self.target = target
        self.party = target_party(target.name)
        self.events = StepEvents(target.name, run.emit)
        self.place: Place = place_of(run.config, target)
        self.repository = Repository(self.place.repository, run.config.repository_url(target))
        self.kept = kept
        self._cache = run.cache
        if kept:
            self.place = place_in_grace(self.place, kept)
            self.repository = Repository(self.place.repository, f"ssh://borg-server/{self.place.repository}")
            self._cache = run.server.directory / f"grace-{kept}"
            self._cache.mkdir(mode=0o700, exist_ok=True)
        self.store: Store = store_of(run.config, target, run.server.lasting, self.place)

    def failure(self, cause: str, *, hint: str, transient: bool = False) -> Failure:
        """Return a failure of this target."""
        return Failure(self.party, cause, hint=hint, transient=transient)

    def warn(self, text: str, hint: str = "") -> None:
        self.emit(Warned(target=self.target.name, text=text, hint=hint))

    async def remember(self, entry: Entry) -> None:
        """Write an operator's decision to the history; when that fails, the decision stays, with a warning."""
        try:
            await self.store.remember(entry)
        except Failure as failure:
            self.warn(f"could not write this decision to the history: {failure}", failure.hint)

    async def borg(self, step: Step, arguments: list[str]) -> BorgResult:
        """Run borg on the controller with full access to the repository. Raises no Failure when borg fails.

        After an unknown error it runs once more without its cache, which a full disk or a crash may have damaged. What
        borg remembers of the repository stays: it protects against an older state put in its place.
        """
        local = self._local(arguments, self.request(step, append_only=False))
        ended = await transport.borg_on_controller(local, on_output=self._on_output(step))
        if not ended.is_unknown or not transport.drop_cache(self.cache, self.repository.location):
            return ended
        self.events.said(program_party("borg", CONTROLLER), "runs once more, without its cache")
        return await transport.borg_on_controller(local, on_output=self._on_output(step))

    async def reading(
        self, step: Step, arguments: list[str], *, folder: Path | None = None, read: Reader | None = None
    ) -> BorgResult:
        """Run borg on the controller in `folder`; it can only read the repository. `read` is given its standard output.

        Raises no Failure when borg fails.
        """
        local = self._local(arguments, self.request(step, append_only=True))
        return await transport.borg_on_controller(local, on_output=self._on_output(step), folder=folder, read=read)

    async def passthrough(
        self, given: BorgArguments, *, append_only: bool, stdin: int, on_server_output: OnOutput
    ) -> BorgResult:
        """Run the operator's borg command at the operator's terminal. Raises no Failure when borg fails."""
        request = self.request(Step.INSPECT, append_only=append_only)
        local = self._local(given.arguments, replace(request, on_output=on_server_output))
        return await transport.borg_passthrough(replace(local, passphrase=None) if given.asks else local, stdin=stdin)

    def request(self, step: Step, *, append_only: bool, quota: str = "", gated: bool = False) -> ServeRequest:
        """Return a request for a serve of the repository; its output becomes events of `step`."""
        return ServeRequest(
            server=self.server,
            path=self.repository.path,
            append_only=append_only,
            on_output=self.events.output_handler(program_party("borg", BACKUP_SERVER), step),
            registry=self.store.registry,
            quota=quota,
            gated=gated,
            socket=self.config.socket_of(self.target, append_only=append_only),
        )

    def _on_output(self, step: Step) -> OnOutput:
        return self.events.output_handler(program_party("borg", CONTROLLER), step)

    def _local(self, arguments: Sequence[str], request: ServeRequest) -> LocalBorg:
        return LocalBorg(
            name=self.target.name,
            request=request,
            url=self.repository.url,
            arguments=["--bypass-lock", *arguments] if self.kept else arguments,
            lock_wait=self.target.lock_wait,
            passphrase=self.target.borg_target.passphrase.get_secret_value(),
            cache=self._cache,
        )
