"""What a job is given, and the borg of one target on C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..borg.command import Repository
from ..borg.passthrough import BorgArguments
from ..config import Config, Target
from ..errors import BACKUP_SERVER, CONTROLLER, Failure, program_party, target_party
from ..events import Emit, Step, Warned
from ..ledger import Entry, Place, Vault, place_in_grace, place_of, vault_of
from ..transport import (
    BackupServer,
    BorgResult,
    LocalBorg,
    OnOutput,
    Reader,
    ServeRequest,
    borg_on_controller,
    borg_passthrough,
    drop_cache,
)
from .space import Claim
from .step_events import StepEvents


@dataclass(frozen=True)
class RunContext:
    """What a job is given: the config, B, and whom to tell.

    `cache` is where borg on C keeps its cache and its memory of repositories, `claim` what the target may add on B.
    """

    config: Config
    server: BackupServer
    cache: Path
    emit: Emit
    claim: Claim = field(default_factory=Claim)


class TargetContext:
    """One target and its repository: what a job, a rollback and an accept are about.

    With the name of a state that is `kept` in Grace it is about that one, which is read where it lies and stays as it
    is: no lock is taken in it, and borg has a base directory of its own, for its memory is of newer states.
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
        self.vault: Vault = vault_of(run.config, target, run.server.lasting, self.place)

    def failure(self, cause: str, *, hint: str, transient: bool = False) -> Failure:
        """Return a failure of this target."""
        return Failure(self.party, cause, hint=hint, transient=transient)

    def warn(self, text: str, hint: str = "") -> None:
        self.emit(Warned(target=self.target.name, text=text, hint=hint))

    async def remember(self, entry: Entry) -> None:
        """Write down what an operator decided; that this fails undoes nothing of it, and is told."""
        try:
            await self.vault.remember(entry)
        except Failure as failure:
            text = f"the history does not have this decision: {failure}"
            self.warn(text, failure.hint)

    async def borg(self, step: Step, arguments: list[str]) -> BorgResult:
        """Run borg on C against the repository, with full access; one that failed is not raised.

        After an error that nobody knows it is run once more without its cache, which a full disk or a crash may have
        damaged; what borg has seen of the repository, which keeps others from putting an older one back, stays.
        """
        local = self._local(arguments, self.request(step, append_only=False))
        ended = await borg_on_controller(local, on_output=self._on_output(step))
        if not ended.is_unknown or not drop_cache(self.cache, self.repository.location):
            return ended
        self.events.said(program_party("borg", CONTROLLER), "it is run once more, without the cache that it had here")
        return await borg_on_controller(local, on_output=self._on_output(step))

    async def reading(
        self, step: Step, arguments: list[str], *, folder: Path | None = None, read: Reader | None = None
    ) -> BorgResult:
        """Run a borg on C that only reads the repository, and may no more; it works in `folder`.

        `read` is given what it prints; one that failed is not raised.
        """
        local = self._local(arguments, self.request(step, append_only=True))
        return await borg_on_controller(local, on_output=self._on_output(step), folder=folder, read=read)

    async def passthrough(
        self, given: BorgArguments, *, append_only: bool, stdin: int, server_heard: OnOutput
    ) -> BorgResult:
        """Run a borg on C that the operator gave, at the operator's terminal; one that failed is not raised."""
        request = self.request(Step.INSPECT, append_only=append_only)
        local = self._local(given.arguments, replace(request, on_output=server_heard))
        return await borg_passthrough(replace(local, passphrase=None) if given.asks else local, stdin=stdin)

    def request(self, step: Step, *, append_only: bool, quota: str = "", gated: bool = False) -> ServeRequest:
        """Return what a road to the repository leads to; what the serve says there is told as of `step`."""
        return ServeRequest(
            server=self.server,
            path=self.repository.path,
            append_only=append_only,
            on_output=self.events.output_handler(program_party("borg", BACKUP_SERVER), step),
            registry=self.vault.registry,
            quota=quota,
            gated=gated,
            socket=self.config.socket_of(self.target, append_only=append_only),
        )

    def _on_output(self, step: Step) -> OnOutput:
        return self.events.output_handler(program_party("borg", CONTROLLER), step)

    def _local(self, arguments: Sequence[str], request: ServeRequest) -> LocalBorg:
        return LocalBorg(
            request=request,
            url=self.repository.url,
            arguments=["--bypass-lock", *arguments] if self.kept else arguments,
            lock_wait=self.target.lock_wait,
            passphrase=self.target.borg_target.passphrase.get_secret_value(),
            cache=self._cache,
        )
