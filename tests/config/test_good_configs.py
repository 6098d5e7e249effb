"""Configs that worked with the ancestor, and what the other rooms get from them."""

import dataclasses
import json
import math

import pydantic
import pytest
from sample import GOOD, filled, read_pure

from borgpull.config import Host, Notify, Options, Stream, Transport, read
from borgpull.config.model import File

# What a target of GOOD has that sets nothing itself.
PLAIN = Options(PruneSetting="--keep-daily 7 --keep-weekly 20 --keep-monthly 12")


@pytest.fixture
def config(keys, checks):
    return read(filled(GOOD, keys), **checks)


def test_everything_arrives(config, keys):
    assert config.root_dir == "/home/backups"
    assert config.prune_options == ("--keep-daily=7", "--keep-weekly=20", "--keep-monthly=12")
    assert config.jobs == 4
    assert config.server.host == Host("backup.example.org", 2222)
    assert config.server.username == "borg"
    assert config.server.private_key.get_secret_value() == keys["B_KEY"]
    assert config.server.jumps == ()
    assert config.server.borg_path == "borg"
    web1, db1 = config.targets
    assert (web1.name, web1.source_paths, web1.excludes) == (
        "web1",
        ("/etc", "/srv/my files"),
        ("/srv/**/*.tmp",),
    )
    assert (web1.borg_target.sub_dir, web1.borg_target.passphrase.get_secret_value()) == (
        "sub/web1",
        "hunter2 and more",
    )
    assert web1.connection.host == Host("web1.example.org")
    assert web1.borg_path == "borg"
    assert (db1.name, db1.excludes, db1.borg_path) == ("db1", (), "/opt/borg/bin/borg")
    (jump,) = db1.connection.jumps
    assert jump.host == Host("jump.example.org")
    assert jump.known_host == f"jump.example.org {keys['HOST_KEY']}\n"
    assert (jump.username, jump.private_key) == ("backup", db1.connection.private_key)


def test_settings_show_no_secret_and_cannot_be_changed(config, secrets):
    assert not [secret for secret in secrets if secret in repr(config) or secret in str(config)]
    for part in (
        config,
        config.server,
        config.targets[1],
        config.targets[1].connection.jumps[0],
    ):
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(part, next(iter(type(part).model_fields)), "x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.server.host.name = "x"
    hash(config)


def respelt(lines, change):
    """Yield the lines with their keys and headers changed, but not the texts of many lines."""
    within = False
    for line in lines:
        key, equals, value = line.partition(" = ")
        if within or not (equals or line.startswith("[")):
            yield line
        else:
            yield change(key) + equals + value
        within ^= line.count('"""') == 1


@pytest.mark.parametrize("change", [str.lower, str.upper, str.swapcase])
def test_keys_in_any_letter_case(change, keys, checks, config):
    text = "\n".join(respelt(filled(GOOD, keys).splitlines(), change))
    assert text != filled(GOOD, keys)
    assert read(text, **checks) == config


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda key: key.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda key: key.rstrip(), id="no last newline"),
        pytest.param(lambda key: f"\n \n\r\n{key}\n \n", id="blank lines around it"),
        pytest.param(lambda key: key.replace("\n", "  \n\t "), id="indented"),
    ],
)
def test_keys_as_they_arrive(spoil, keys, checks, config):
    spoilt = keys | {name: spoil(keys[name]) for name in ("B_KEY", "T_KEY")}
    assert read(filled(GOOD, spoilt), **checks) == config


def test_a_file_with_windows_line_ends_and_a_byte_order_mark(keys, checks, config):
    assert read("\ufeff" + filled(GOOD, keys).replace("\n", "\r\n"), **checks) == config


def test_what_only_toml_1_1_allows_is_read(keys, checks, config):
    inline = "BorgTarget = {\n  SubDir = 'sub/db1',\n  Passphrase = 'swordfish',\n}\n"
    text = GOOD.replace("[Servers.BorgTarget]\nSubDir = \"sub/db1\"\nPassphrase = 'swordfish'\n", inline)
    assert inline in text
    assert read(filled(text, keys), **checks) == config


def test_what_may_be_left_out(keys, checks):
    text = GOOD.replace("Jobs = 4\n", "").replace('Excludes = ["/srv/**/*.tmp"]\n', "")
    config = read(filled(text, keys), **checks)
    assert config.jobs == 8
    assert config.retries == 2
    assert config.check_every == 7 * 86400
    assert config.targets[0].excludes == ()
    options = config.targets[0]
    assert (options.timeout, options.stall_timeout, options.quota, options.transport) == (48 * 3600, 30 * 60, "", None)
    assert options_of(config.targets[0]) == PLAIN


def options_of(target):
    """Return what a target has of what can stand in [Borg.Defaults]."""
    return Options.model_construct(**{name: getattr(target, name) for name in Options.model_fields})


@pytest.mark.parametrize(
    "url",
    [
        "https://hc-ping.com/1-2?create=1",
        "https://[2001:db8::1]:8443/x-{shard}",
        "http://127.0.0.1:9/",
        "http://[::1]/",
    ],
)
def test_who_is_told_is_kept_and_never_shown(keys, checks, url):
    assert read(filled(GOOD, keys), **checks).notify == Notify()
    table = f"[notify]\nping = '{url}'\nonfinish = 'mail root'\n\n[Borg.Server]"
    config = read(filled(GOOD.replace("[Borg.Server]", table), keys), **checks)
    assert config.notify.ping.get_secret_value() == url
    assert config.notify.on_finish == "mail root"
    assert url not in repr(config)


def test_options_of_a_target_come_before_the_defaults_for_all(keys, checks):
    defaults = '[Borg.Defaults]\nTimeout = "26h"\nQuota = "50G"\ntransport = "stdio"\n\n'
    text = GOOD.replace("[Borg.Server]", f"{defaults}[Borg.Server]")
    text = text.replace('Name = "web1"', 'Name = "web1"\ntimeout = "90m"\nStallTimeout = "45s"\nTransport = "forward"')
    one, two = read(filled(text, keys), **checks).targets
    db1 = "/opt/borg/bin/borg"
    said = {"timeout": 90 * 60, "stall_timeout": 45, "quota": "50G", "transport": Transport.FORWARD}
    assert options_of(one) == PLAIN.model_copy(update=said)
    said = {
        "timeout": 26 * 3600,
        "stall_timeout": 30 * 60,
        "quota": "50G",
        "transport": Transport.STDIO,
        "borg_path": db1,
    }
    assert options_of(two) == PLAIN.model_copy(update=said)


def test_a_list_of_a_target_replaces_that_of_the_defaults_and_no_option_is_lost_on_the_way(keys, checks):
    defaults = """[Borg.Defaults]
borgpath = "/opt/borg"
Compression = "auto,zstd,6"
OneFileSystem = true
ExcludeCaches = true
ExcludeIfPresent = [".nobackup", "no backup"]
PatternsFrom = "/etc/patterns"
UploadRateLimit = "1.5M"
FilesCache = "mtime,size"
CheckpointInterval = "10m"
LockWait = "2m"
Encryption = "repokey"
Nice = 0
SocatPath = "/opt/bin/socat"
Before = ["mount /snapshot"]
After = ["umount /snapshot", "true"]
OnFailure = ["logger it failed"]

"""
    text = GOOD.replace("[Borg.Server]", defaults + "[Borg.Server]")
    text = text.replace(
        'Name = "web1"', 'Name = "web1"\nExcludeIfPresent = []\nOneFileSystem = false\nNice = 19\nBefore = []'
    )
    one, two = read(filled(text, keys), **checks).targets
    same = {
        "compression": "auto,zstd,6",
        "exclude_caches": True,
        "patterns_from": "/etc/patterns",
        "upload_rate_limit": 1465,
        "files_cache": "mtime,size",
        "checkpoint_interval": 600,
        "lock_wait": 120,
        "encryption": "repokey",
        "socat_path": "/opt/bin/socat",
        "after": ("umount /snapshot", "true"),
        "on_failure": ("logger it failed",),
    }
    own = {"one_file_system": True, "exclude_if_present": (".nobackup", "no backup"), "before": ("mount /snapshot",)}
    assert options_of(one) == PLAIN.model_copy(update=same | {"nice": 19, "borg_path": "/opt/borg"})
    assert options_of(two) == PLAIN.model_copy(update=same | own | {"nice": 0, "borg_path": "/opt/borg/bin/borg"})
    assert (one.borg_path, two.borg_path) == ("/opt/borg", "/opt/borg/bin/borg")
    assert "snapshot" not in repr(two), "a command may hold a password"


def test_a_target_can_do_without_what_the_defaults_ask_for(keys, checks):
    text = GOOD.replace("[Borg.Server]", "[Borg.Defaults]\ngate = true\n\n[Borg.Server]")
    text = text.replace('Name = "web1"', 'Name = "web1"\nGate = false')
    one, two = read(filled(text, keys), **checks).targets
    assert (one.gate, two.gate) == (False, True)


def test_sudo_is_that_of_the_user_who_logs_in(keys, checks):
    one, two = read(filled(GOOD.replace('Name = "web1"', 'Name = "web1"\nSudo = true'), keys), **checks).targets
    assert (one.sudo_user, two.sudo_user) == (one.connection.username, "")


@pytest.mark.parametrize(("text", "seconds"), [("always", 0), ("never", math.inf), ("36h", 36 * 3600)])
def test_how_often_a_repository_is_checked(text, seconds):
    assert read_pure(GOOD.replace("Jobs = 4", f'Jobs = 4\ncheckevery = "{text}"')).check_every == seconds


def test_each_repository_has_sockets_of_its_own(keys, checks):
    sockets = 'AppendSocket = "/run/borg/append/{SubDir}"\nFullSocket = "/run/borg/{SubDir}.full"'
    text = GOOD.replace("[Borg.Server]", f'StateDir = "/var/lib/borgpull"\n[Borg.Server]\n{sockets}')
    config = read(filled(text.replace("{SubDir}", "(SubDir)"), keys).replace("(SubDir)", "{SubDir}"), **checks)
    assert config.sockets
    assert config.state_dir == "/var/lib/borgpull"
    assert config.socket_of(config.targets[0], append_only=True) == "/run/borg/append/sub-web1"
    assert config.socket_of(config.targets[1], append_only=False) == "/run/borg/sub-db1.full"


def test_empty_jump_keys_mean_no_jump(keys, checks):
    text = GOOD.replace('"jump.example.org"', '""').replace('"jump.example.org {HOST_KEY}"', '""')
    assert read(filled(text, keys), **checks).targets[1].connection.jumps == ()


def test_a_jump_host_can_have_a_user_key_and_port_of_its_own(keys, checks):
    jump = 'ProxyJumpUsername = "jumper"\nProxyJumpPrivateKey = """{B_KEY}"""'
    text = GOOD.replace('"jump.example.org"', '"jump.example.org:2222"').rstrip() + "\n" + jump
    text += '\nCiphers = "^aes256-ctr,chacha20-poly1305@openssh.com"\nKexAlgorithms = "+sntrup"'
    connection = read(filled(text, keys), **checks).targets[1].connection
    (found,) = connection.jumps
    assert connection.ciphers == "^aes256-ctr,chacha20-poly1305@openssh.com"
    assert found.algorithms == connection.algorithms == {"Ciphers": connection.ciphers, "KexAlgorithms": "+sntrup"}
    assert (found.host, found.username) == (Host("jump.example.org", 2222), "jumper")
    assert found.private_key.get_secret_value() == keys["B_KEY"]


def test_several_jump_hosts_come_in_their_order_and_each_has_what_the_target_has_unless_it_says_so(keys, checks):
    text = (
        GOOD[: GOOD.index("ProxyJumpHost")]
        + """
[[Servers.Connection.Jumps]]
Host = "first.example.org"
KnownHost = "first.example.org {HOST_KEY}"
Username = "jumper"
PrivateKey = '''{B_KEY}'''

[[Servers.Connection.Jumps]]
Host = "second.example.org:2222"
KnownHost = "[second.example.org]:2222 {HOST_KEY}"
"""
    )
    connection = read(filled(text, keys), **checks).targets[1].connection
    first, second = connection.jumps
    assert (first.host, first.username) == (Host("first.example.org"), "jumper")
    assert first.private_key.get_secret_value() == keys["B_KEY"]
    assert (second.host, second.username) == (Host("second.example.org", 2222), "backup")
    assert second.private_key == connection.private_key


def test_a_jump_host_has_the_certificate_of_the_key_that_it_has(keys, checks):
    hop = '[[Servers.Connection.Jumps]]\nHost = "{0}"\nKnownHost = "{0} {{HOST_KEY}}"\n'
    own_key = 'PrivateKey = """\n{B_KEY}"""\n'
    text = GOOD[: GOOD.index("ProxyJumpHost")] + 'Certificate = "{T_CERTIFICATE}"\n'
    text += hop.format("a") + hop.format("b") + own_key + hop.format("c") + own_key + 'Certificate = "{B_CERTIFICATE}"'
    connection = read(filled(text, keys), **checks).targets[1].connection
    assert connection.certificate == keys["T_CERTIFICATE"]
    assert [jump.certificate for jump in connection.jumps] == [keys["T_CERTIFICATE"], "", keys["B_CERTIFICATE"]]


@pytest.mark.parametrize(
    ("host", "known_host", "kept"),
    [
        ("db1", "db1 {HOST_KEY}", "db1 {HOST_KEY}\n"),
        ("db1", "db1 {HOST_KEY}\r\ndb1 {HOST_KEY_RSA}\r\n", "db1 {HOST_KEY}\ndb1 {HOST_KEY_RSA}\n"),
        (
            "db1",
            "\n# db1:22 SSH-2.0\ndb1 {HOST_KEY} a comment",
            "# db1:22 SSH-2.0\ndb1 {HOST_KEY} a comment\n",
        ),
        ("DB1", "db1 {HOST_KEY}", "db1 {HOST_KEY}\n"),
        ("db1", "[db1]:22 {HOST_KEY}", "db1 {HOST_KEY}\n"),
        ("db1", "x,[db1]:22,[y]:2222 {HOST_KEY} [c]:22", "x,db1,[y]:2222 {HOST_KEY} [c]:22\n"),
        ("db1", "@cert-authority [db1]:22 {HOST_KEY}", "@cert-authority db1 {HOST_KEY}\n"),
        ("db1", "# [db1]:22\ndb1 {HOST_KEY}", "# [db1]:22\ndb1 {HOST_KEY}\n"),
        ("db1:2222", "[db1]:2222 {HOST_KEY}", "[db1]:2222 {HOST_KEY}\n"),
        ("db1:2222", "db1 {HOST_KEY}", "db1 {HOST_KEY}\n"),
        ("[2001:db8::1]", "2001:db8::1 {HOST_KEY}", "2001:db8::1 {HOST_KEY}\n"),
        ("2001:db8::1", "[2001:db8::1]:22 {HOST_KEY}", "2001:db8::1 {HOST_KEY}\n"),
        ("[2001:db8::1]:2222", "[2001:db8::1]:2222 {HOST_KEY}", "[2001:db8::1]:2222 {HOST_KEY}\n"),
        ("[2001:DB8:0::1]:22", "2001:db8::1 {HOST_KEY}", "2001:db8::1 {HOST_KEY}\n"),
        ("db1.lan", "*.lan,!x.lan {HOST_KEY}", "*.lan,!x.lan {HOST_KEY}\n"),
        ("db1", "@revoked * {HOST_KEY_RSA}\ndb1 {HOST_KEY}", "@revoked * {HOST_KEY_RSA}\ndb1 {HOST_KEY}\n"),
    ],
)
def test_known_hosts_as_ssh_keyscan_and_people_write_them(host, known_host, kept, keys, checks):
    text = GOOD.replace('"10.0.0.7"', f'"{host}"').replace('"10.0.0.7 {HOST_KEY}"', f"'''{known_host}'''")
    config = read(filled(text, keys), **checks)
    assert config.targets[1].connection.known_host == filled(kept, keys)


def test_hashed_known_hosts(keys, checks, hashed):
    text = GOOD.replace("10.0.0.7 {HOST_KEY}", hashed("10.0.0.7")).replace(
        "[backup.example.org]:2222 {HOST_KEY}\n[backup.example.org]:2222 {HOST_KEY_RSA}\n",
        hashed("[backup.example.org]:2222") + "\n",
    )
    config = read(filled(text, keys), **checks)
    assert config.targets[1].connection.known_host.startswith("|1|")


def test_an_entry_for_port_22_vouches_for_no_other_port(keys):
    seen = []
    text = GOOD.replace('"10.0.0.7"', '"db1:2222"').replace("10.0.0.7 {", "[db1]:22 {")
    read(filled(text, keys), check_key=lambda _: None, check_known_host=lambda *entry: seen.append(entry))
    assert ("db1", 2222, f"[db1]:22 {keys['HOST_KEY']}\n") in seen


@pytest.mark.parametrize("name", ["web1", "Büro 3", "backup, nightly (#2)", "数据库", "x" * 100])
def test_names_that_people_give(name):
    assert read_pure(GOOD.replace('"web1"', f'"{name}"')).targets[0].name == name


@pytest.mark.parametrize("passphrase", ["x", "a b", " spaces ", "quo\"te'", "ünï", "$HOME `id`", "#;%{}", "\\"])
def test_passphrases_arrive_as_they_are(passphrase):
    config = read_pure(GOOD.replace("'swordfish'", json.dumps(passphrase)))
    assert config.targets[1].borg_target.passphrase.get_secret_value() == passphrase


def test_names_that_differ_in_letter_case_are_two():
    assert [target.name for target in read_pure(GOOD.replace('"db1"', '"WEB1"')).targets] == ["web1", "WEB1"]


def test_folders_with_a_common_beginning_are_two():
    read_pure(GOOD.replace('"sub/db1"', '"sub/web10"'))


def test_streams_arrive_in_their_order():
    streams = [("db-1.sql", "pg_dumpall"), ("db", "mysqldump 'it''s'\n")]
    tables = "".join(f"[[Servers.Streams]]\nName = {json.dumps(n)}\nCOMMAND = {json.dumps(c)}\n" for n, c in streams)
    web1, db1 = read_pure(GOOD + tables).targets
    assert (web1.streams, db1.streams) == ((), tuple(Stream(Name=name, Command=command) for name, command in streams))
    assert "mysqldump" not in repr(db1), "a command may hold a password"


def test_the_url_is_spelled_as_the_ancestor_did():
    config = read_pure(GOOD.replace('"/home/backups"', '"/home/backups/"').replace('"sub/db1"', '"/sub//db1/"'))
    assert config.repository_url(config.targets[1]) == "ssh://borg-server//home/backups///sub//db1/"
    assert config.repository_path(config.targets[1]) == "/home/backups/sub/db1"


def test_the_schema_spells_the_keys_as_the_config_does():
    schema = File.model_json_schema()
    tables = schema["$defs"] | {"File": schema}
    keys = {key for table in tables.values() for key in table["properties"]}
    assert keys == {
        *("Borg", "Servers", "RootDir", "PruneSetting", "PruneAlso", "Jobs", "Server", "BorgPath", "Groups", "Group"),
        *(
            "RootDirMustBeMount",
            "MinFree",
            "Retries",
            "ServerPatience",
            "Every",
            "MayBeAbsent",
            "CheckEvery",
            "PruneEvery",
            "CheckMaxDuration",
            "Defaults",
            "Timeout",
            "StallTimeout",
            "Quota",
            "Gate",
            "Transport",
        ),
        *(
            "Compression",
            "OneFileSystem",
            "ExcludeCaches",
            "WarnOnChange",
            "ShrinkLimit",
            "ChangeLimit",
            "ExcludeIfPresent",
            "PatternsFrom",
            "UploadRateLimit",
        ),
        *("Notify", "Ping", "OnFinish", "SocatPath"),
        *("AppendSocket", "FullSocket", "StateDir"),
        *("Streams", "Command"),
        *(
            "FilesCache",
            "CheckpointInterval",
            "LockWait",
            "Encryption",
            "Nice",
            "Sudo",
            "Grace",
            "Before",
            "After",
            "OnFailure",
        ),
        *("Host", "Username", "KnownHost", "PrivateKey", "ProxyJumpHost", "ProxyJumpKnownHost"),
        *("ProxyJumpUsername", "ProxyJumpPrivateKey", "Jumps", "Ciphers", "Certificate", "PrivateKeyCommand"),
        *("HostKeyAlgorithms", "KexAlgorithms", "PubkeyAcceptedAlgorithms"),
        *("Name", "SourcePaths", "Excludes", "BorgTarget", "Connection", "SubDir", "Passphrase"),
    }
    assert all(table["additionalProperties"] is False for table in tables.values())


def test_the_tables_hide_their_input_from_pydantic_errors_too():
    with pytest.raises(pydantic.ValidationError) as caught:
        File.model_validate({"Borg": {"RootDir": ["hunter2"]}, "Servers": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_command_for_the_key_stands_in_its_place_for_the_jump_hosts_too(keys, checks):
    hop = '[[Servers.Connection.Jumps]]\nHost = "{0}"\nKnownHost = "{0} {{HOST_KEY}}"\n'
    text = GOOD[: GOOD.rindex("PrivateKey")] + 'PrivateKeyCommand = "print a key"\n'
    text += hop.format("a") + hop.format("b") + 'PrivateKey = """\n{B_KEY}"""\n'
    connection = read(filled(text, keys), **checks).targets[1].connection
    assert (connection.private_key_command, connection.private_key.get_secret_value()) == ("print a key", "")
    first, second = connection.jumps
    assert (first.private_key_command, first.private_key.get_secret_value()) == ("print a key", "")
    assert (second.private_key_command, second.private_key.get_secret_value()) == ("", keys["B_KEY"])
