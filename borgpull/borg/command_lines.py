"""Borg's command lines and environments, for every host; whoever runs them quotes paths for a shell.

No secret is in them: a passphrase reaches borg over the descriptor in BORG_PASSPHRASE_FD.
"""

from __future__ import annotations

import fnmatch
import functools
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..config import Options

# The option before the path of a file of patterns; the script on the target finds the path by it.
PATTERNS_FROM = "--patterns-from="
# What a host's own settings of borg may decide: where its files lie, what its caches are like, how it is to write.
# Others would hide its warnings (BORG_LOGGING_CONF), or replace what we set.
_KEPT = (
    *("BORG_*_DIR", "BORG_FILES_CACHE_*", "BORG_HOST*", "BORG_USE_CHUNKS_ARCHIVE"),
    *("BORG_WORKAROUNDS", "BORG_MSGPACK_VERSION_CHECK", "BORG_SELFTEST"),
)
# The lines of a shell script that unset what the host sets for borg.
DROP_SETTINGS = rf"""
for _name in $(env | sed -n 's/^\(BORG_[A-Za-z0-9_]*\)=.*/\1/p'); do
  case $_name in {" | ".join(_KEPT)}) ;; *) unset "$_name" ;; esac
done
"""
_JSON = ("--log-json", "--progress")
_STYLED = re.compile(r"(fm|sh|pp|pf|re):(.*)", re.DOTALL)
# A name that no pattern names: a pattern that matches it matches everything in a folder.
_ANY_NAME = "\uffff"
_SHELL = {"**/": "(?:[^/]*/)*", "*": "[^/]*", "?": "[^/]"}
# socat copies 8 KiB at a time by default; with 256 KiB the transport is a fifth faster. In a session of its own: borg
# makes its BORG_RSH ignore Ctrl-C, but socat does not (1.7.4).
_SOCAT = "socat -b 262144"
_STDIO = "STDIO,setsid"


@dataclass(frozen=True)
class Repository:
    """A repository: its folder on the backup server, and the URL by which all our borg clients know it."""

    path: str
    url: str

    @property
    def location(self) -> str:
        """Return the URL as borg remembers it, without superfluous slashes (1.2.4, 1.4.5)."""
        scheme, _, place = self.url.partition("://")
        host, _, path = place.partition("/")
        return f"{scheme}://{host}{posixpath.normpath(f'/{path}')}"


def rsh(socket: str) -> str:
    """Return the BORG_RSH that connects to the unix socket at `socket`, a path without spaces or quotes.

    Borg appends `HOST borg serve ...`, which become unused positional parameters of this shell.
    """
    return f"sh -c 'exec {_SOCAT} {_STDIO} UNIX-CONNECT:{socket}'"


def rsh_of_pipes(reads: int, writes: int) -> str:
    """Return the BORG_RSH that reads from and writes to pipes that borg has inherited as these descriptors.

    Borg hands none on, but its process can be asked for them. Borg keeps its own end of what is written, so the serve
    sees the end only when borg ends: socat (-t) does not wait for the serve when its input has ended.
    """
    files = f"OPEN:/proc/$PPID/fd/{reads},rdonly!!OPEN:/proc/$PPID/fd/{writes},wronly"
    return f"sh -c 'exec {_SOCAT} -t 0.01 {_STDIO} \"{files}\"'"


def environment(url: str) -> dict[str, str]:
    """Return the environment that all borg clients have in common, on the targets and on the controller."""
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
    """Return the arguments of `borg create`; without options they are those of the Go ancestor.

    The first pattern that matches counts: `excludes` come before those of a file on the target. `url` is the URL of the
    repository, when it is not in the environment.
    """
    fixed = [*_create(options, options.files_cache), "--noctime", "--noflags", "--stats"]
    patterns = [f"--exclude={pattern}" for pattern in excludes]
    if options.patterns_from:
        patterns.append(f"{PATTERNS_FROM}{options.patterns_from}")
    flags = {"--one-file-system": options.one_file_system, "--exclude-caches": options.exclude_caches}
    chosen = [*_chosen(options), *(flag for flag, is_set in flags.items() if is_set)]
    tags = [f"--exclude-if-present={name}" for name in options.exclude_if_present]
    return [*fixed, *chosen, *tags, *patterns, "--", f"{url}::{archive}", *sources]


def create_from_command(archive: str, *, file: str, words: Iterable[str], options: Options) -> list[str]:
    """Return the arguments of a `borg create` that stores the output of the command `words` as one file, `file`.

    If that command fails, there is no archive (1.2.4, 1.4.5). It does not open the files cache: each create that does
    ages the entries that it does not meet, and borg reads files again whose entries have aged 20 times.
    """
    content = ["--content-from-command", f"--stdin-name={file}"]
    return [*_create(options, "disabled"), *_chosen(options), *content, "--", f"::{archive}", *words]


def _create(options: Options, files_cache: str) -> list[str]:
    return ["create", *_JSON, "--json", f"--lock-wait={options.lock_wait}", f"--files-cache={files_cache}"]


def _chosen(options: Options) -> list[str]:
    chosen = {
        "--compression": options.compression,
        "--upload-ratelimit": options.upload_rate_limit,
        "--checkpoint-interval": options.checkpoint_interval,
    }
    return [f"{option}={value}" for option, value in chosen.items() if value]


def init(encryption: str) -> list[str]:
    return ["init", "--log-json", f"--encryption={encryption}", "--make-parent-dirs"]


def create_empty(archive: str) -> list[str]:
    """Return the arguments that create an archive of one empty file."""
    return ["create", *_JSON, "--json", "--files-cache=disabled", "--", of_archive(archive), "-"]


def list_archives() -> list[str]:
    """Return the arguments that list all archives, with checkpoints, which borg hides by default."""
    return ["list", "--log-json", "--json", "--consider-checkpoints"]


def list_files(archive: str, *, patterns: Iterable[str], hashes: bool) -> list[str]:
    """Return the arguments that list the content of an archive, one JSON object per line; `hashes` reads all data.

    What is no UTF-8 in a path comes as "?" (1.2.4, 1.4.5): no format of borg's gives the bytes.
    """
    keys = "{type}{mode}{user}{group}{uid}{gid}{size}{isomtime}{path}{source}{health}" + ("{sha256}" if hashes else "")
    return ["list", "--log-json", "--json-lines", f"--format={keys}", "--", of_archive(archive), *patterns]


def delete_cache(*, url: str = "") -> list[str]:
    """Return the arguments that delete borg's cache of a repository, not its security data of it (1.2.4, 1.4.5).

    `url` is the URL of the repository, when it is not in the environment.
    """
    return ["delete", "--log-json", "--cache-only", "--", url or "::"]


def extract(archive: str, *, patterns: Iterable[str], numeric_ids: bool, url: str = "") -> list[str]:
    """Return the arguments that extract an archive into the working folder; long runs of zeros become holes.

    `url` is the URL of the repository, when it is not in the environment.
    """
    ids = ["--numeric-ids"] if numeric_ids else []
    return ["extract", *_JSON, "--sparse", *ids, "--", url + of_archive(archive), *patterns]


def exactly(paths: Iterable[str]) -> list[str]:
    return [f"pf:{path}" for path in paths]


def of_archive(archive: str) -> str:
    # Borg replaces placeholders such as {now} here too, and a target may have chosen the name.
    return "::" + archive.replace("{", "{{").replace("}", "}}")


def check() -> list[str]:
    return ["check", *_JSON]


def check_segments(seconds: int) -> list[str]:
    """Return the arguments that check segments for `seconds`, from `last_segment_checked` in its config on."""
    return ["check", *_JSON, "--repository-only", f"--max-duration={seconds}"]


def check_archives() -> list[str]:
    return ["check", *_JSON, "--archives-only"]


def delete(archives: Sequence[str]) -> list[str]:
    """Return the arguments that delete these archives. Raises ValueError without one: borg would delete everything."""
    if not archives:
        raise ValueError("no archive to delete")
    first, *others = archives
    return ["delete", *_JSON, "--", of_archive(first), *others]


def compact() -> list[str]:
    return ["compact", *_JSON]


def authenticate_archives() -> list[str]:
    """Return the arguments that make borg accept every archive as authentic; only 1.4 has them."""
    return ["upgrade", "--log-json", "--archives-tam"]


def export_key(file: str, *, paper: bool) -> list[str]:
    """Return the arguments that write the repository key, still encrypted, to `file` on the client's machine."""
    return ["key", "export", "--log-json", *(["--paper"] if paper else []), "::", file]


def serve(borg: str, path: str, *, append_only: bool, quota: str = "") -> list[str]:
    """Return the command of a `borg serve` that can touch only the repository at `path`.

    `quota` is the largest size of the repository, such as "50G"; "" for no limit. Without --info serve does not report
    what compact freed (the client's -v does not reach it).
    """
    only = ["--append-only"] if append_only else []
    most = ["--storage-quota", quota] if quota else []
    return [borg, "serve", "--info", *only, *most, "--restrict-to-repository", path]


def left_out(path: str, excludes: Iterable[str]) -> bool:
    """Return whether a pattern matches a source path or everything in it, as borg matches (1.2.4, 1.4.5: patterns.py).

    Patterns in `re:` are ignored.
    """
    bare = posixpath.normpath(path).lstrip("/")
    names = f"{bare}/", f"{bare}/{_ANY_NAME}/".lstrip("/")
    return any(_compiled(pattern).match(name) for pattern in excludes for name in names)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return what matches a path that a pattern matches, with a slash at its end."""
    found = _STYLED.fullmatch(pattern)
    style, text = (found[1], found[2]) if found else ("fm", pattern)
    whole = posixpath.normpath(text).lstrip("/")
    deeper = "/" if text.endswith("/") else ""
    words = re.split(r"(\*\*/|\*|\?)", f"{whole}/**/*{deeper}")
    regexes = {
        "pf": rf"{re.escape(whole)}/\Z",
        "pp": re.escape(f"{whole}/"),
        "re": "(?!)",
        "fm": fnmatch.translate(f"{whole}/*{deeper}"),
        "sh": "".join(_SHELL.get(word) or re.escape(word) for word in words) + r"\Z",
    }
    return re.compile(regexes[style])
