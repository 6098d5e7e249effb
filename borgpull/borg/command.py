"""Borg's command lines and environments, for T, B and C alike. Paths come as they are: whoever runs it quotes.

No secret goes in here: a passphrase reaches borg over the descriptor that BORG_PASSPHRASE_FD names.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..config import Options

# What stands before the path of a file of patterns, by which a session on T looks for it.
PATTERNS_FROM = "--patterns-from="
_JSON = ("--log-json", "--progress")
# socat copies 8 KiB at a time by default; 256 KiB makes the road a fifth faster.
# In a session of its own: borg has what leads to its repository ignore Ctrl-C, but socat does not (1.7.4).
_SOCAT = "socat -b 262144 STDIO,setsid UNIX-CONNECT:"


@dataclass(frozen=True)
class Repository:
    """A repository: its folder on B, and the URL under which every borg client of ours knows it."""

    path: str
    url: str

    @property
    def location(self) -> str:
        """Return what borg remembers of the URL: the same, but for superfluous slashes (1.2.4, 1.4.5)."""
        scheme, _, place = self.url.partition("://")
        host, _, path = place.partition("/")
        return f"{scheme}://{host}{posixpath.normpath(f'/{path}')}"


def rsh(socket: str) -> str:
    """Return the BORG_RSH that leads to the unix socket at `socket`, a path without spaces or quotes.

    Borg appends `HOST borg serve ...`, which become the unread positional parameters of this shell.
    """
    return f"sh -c 'exec {_SOCAT}{socket}'"


def environment(url: str) -> dict[str, str]:
    """Return the part of the environment that is the same for every borg client, on T and on C."""
    return {
        "BORG_REPO": url,
        "BORG_EXIT_CODES": "legacy",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "no",
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
        "BORG_DISPLAY_PASSPHRASE": "no",
        "BORG_SHOW_SYSINFO": "no",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


def create(
    archive: str, *, sources: Iterable[str], excludes: Iterable[str], options: Options, url: str = ""
) -> list[str]:
    """Return the arguments of `borg create`; without options they are those of the ancestor.

    Of all patterns the first one that fits counts: `excludes` come before those of a file on T. `url` is that of the
    repository, where the environment does not say it.
    """
    fixed = [
        "create",
        *_JSON,
        "--json",
        f"--lock-wait={options.lock_wait}",
        f"--files-cache={options.files_cache}",
        "--noctime",
        "--noflags",
        "--stats",
    ]
    patterns = [f"--exclude={pattern}" for pattern in excludes]
    if options.patterns_from:
        patterns.append(f"{PATTERNS_FROM}{options.patterns_from}")
    return [*fixed, *_chosen(options), *_chosen_of_files(options), *patterns, "--", f"{url}::{archive}", *sources]


def create_from_command(archive: str, *, file: str, words: Iterable[str], options: Options) -> list[str]:
    """Return the arguments of a `borg create` that reads what the command `words` prints into one file, `file`.

    When that command fails, there is no archive (1.2.4, 1.4.5). The files cache is let be: each create that opens it
    ages all that it does not meet, and what has aged 20 times is read anew.
    """
    fixed = ["create", *_JSON, "--json", f"--lock-wait={options.lock_wait}", "--files-cache=disabled"]
    content = ["--content-from-command", f"--stdin-name={file}"]
    return [*fixed, *_chosen(options), *content, "--", f"::{archive}", *words]


def _chosen(options: Options) -> Iterator[str]:
    if options.compression:
        yield f"--compression={options.compression}"
    if options.upload_rate_limit:
        yield f"--upload-ratelimit={options.upload_rate_limit}"
    if options.checkpoint_interval:
        yield f"--checkpoint-interval={options.checkpoint_interval}"


def _chosen_of_files(options: Options) -> Iterator[str]:
    if options.one_file_system:
        yield "--one-file-system"
    if options.exclude_caches:
        yield "--exclude-caches"
    yield from (f"--exclude-if-present={name}" for name in options.exclude_if_present)


def init(encryption: str) -> list[str]:
    return ["init", "--log-json", f"--encryption={encryption}", "--make-parent-dirs"]


def create_empty(archive: str) -> list[str]:
    """Return the arguments that create an archive of one file without content."""
    return ["create", *_JSON, "--json", "--files-cache=disabled", "--", of_archive(archive), "-"]


def list_archives() -> list[str]:
    """Return the arguments that list all archives, checkpoints too; borg hides them otherwise."""
    return ["list", "--log-json", "--json", "--consider-checkpoints"]


def list_files(archive: str, *, patterns: Iterable[str], hashes: bool) -> list[str]:
    """Return the arguments that list what is in an archive, a JSON object a line; `hashes` reads all of its data.

    Letters of a path that are no UTF-8 come as "?" (1.2.4, 1.4.5): no format of borg's gives the bytes.
    """
    keys = "{type}{mode}{user}{group}{uid}{gid}{size}{isomtime}{path}{source}{health}" + ("{sha256}" if hashes else "")
    return ["list", "--log-json", "--json-lines", f"--format={keys}", "--", of_archive(archive), *patterns]


def delete_cache(*, url: str = "") -> list[str]:
    """Return the arguments that delete borg's own cache of a repository, not its memory of it (1.2.4, 1.4.5).

    `url` is that of the repository, where the environment does not say it.
    """
    return ["delete", "--log-json", "--cache-only", "--", url or "::"]


def extract(archive: str, *, patterns: Iterable[str], numeric_ids: bool, url: str = "") -> list[str]:
    """Return the arguments that extract an archive into the working folder; long runs of zeros become holes.

    `url` is that of the repository, where the environment does not say it.
    """
    ids = ["--numeric-ids"] if numeric_ids else []
    return ["extract", *_JSON, "--sparse", *ids, "--", url + of_archive(archive), *patterns]


def exactly(paths: Iterable[str]) -> list[str]:
    return [f"pf:{path}" for path in paths]


def of_archive(archive: str) -> str:
    # Borg replaces placeholders such as {now} here too; T chose the name.
    return "::" + archive.replace("{", "{{").replace("}", "}}")


def check() -> list[str]:
    return ["check", *_JSON]


def check_segments(seconds: int) -> list[str]:
    """Return the arguments that read segments for so long, on from where `last_segment_checked` of its config says."""
    return ["check", *_JSON, "--repository-only", f"--max-duration={seconds}"]


def check_archives() -> list[str]:
    return ["check", *_JSON, "--archives-only"]


def delete(archives: Sequence[str]) -> list[str]:
    """Return the arguments that delete these archives. Raises ValueError without any: that is the whole repository."""
    if not archives:
        raise ValueError("no archive to delete")
    first, *others = archives
    return ["delete", *_JSON, "--", of_archive(first), *others]


def compact() -> list[str]:
    return ["compact", *_JSON]


def authenticate_archives() -> list[str]:
    """Return the arguments that have borg take every archive as authentic that it finds; 1.4 alone knows them."""
    return ["upgrade", "--log-json", "--archives-tam"]


def export_key(file: str, *, paper: bool) -> list[str]:
    """Return the arguments that write the repository key, encrypted as it is, to `file` on the client's machine."""
    return ["key", "export", "--log-json", *(["--paper"] if paper else []), "::", file]


def serve(borg: str, path: str, *, append_only: bool, quota: str = "") -> list[str]:
    """Return the command of a `borg serve` that can touch the repository at `path` and nothing else.

    `quota` is how large the repository may get, such as "50G"; empty for no limit.

    --info: else serve is silent on what compact freed (its log level is its own, the client's -v does not reach it).
    """
    only = ["--append-only"] if append_only else []
    most = ["--storage-quota", quota] if quota else []
    return [borg, "serve", "--info", *only, *most, "--restrict-to-repository", path]
