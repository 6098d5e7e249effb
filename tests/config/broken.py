"""Broken configs: what is replaced in the good one, by what, the place that is named, and a word of the message."""

WEB1 = '("web1")'
DB1 = '("db1")'
B = "Borg.Server"
KNOWN_B = "[backup.example.org]:2222 {HOST_KEY}\n[backup.example.org]:2222 {HOST_KEY_RSA}\n"
ONE = "Servers[0]"
TWO = "Servers[1]"
TIMEOUT = f'{ONE}.Timeout ("web1")'
GATE = f'{ONE}.Gate ("web1")'
QUOTA = f'{ONE}.Quota ("web1")'
APPEND = 'AppendSocket = "/run/append/{SubDir}"'
FULL = 'FullSocket = "/run/full/{SubDir}"'
STATE = 'StateDir = "/var/lib/borgpull"'
SUB = f"{TWO}.BorgTarget.SubDir {DB1}"
PASS = f"{TWO}.BorgTarget.Passphrase {DB1}"
HOST = f"{TWO}.Connection.Host {DB1}"
KNOWN = f"{TWO}.Connection.KnownHost {DB1}"
KEEP = "Borg.PruneSetting"
PATHS = f"{TWO}.SourcePaths {DB1}"
BORG = f"{TWO}.BorgPath {DB1}"
SOCAT = f"{TWO}.SocatPath {DB1}"
PING = "Notify.Ping"
KEY = f"{B}.PrivateKey"
CERT = f"{B}.Certificate"
LINE = '{B_KEY}"""'
ROOT = "Borg.RootDir"
JOBS = "Borg.Jobs"
CHECK = "Borg.CheckEvery"
USER = f"{B}.Username"
NAME = f"{TWO}.Name"
LAST = 'ProxyJumpKnownHost = "jump.example.org {HOST_KEY}"'
JUMP = f'ProxyJumpHost = "jump.example.org"\n{LAST}'
HOP = '[[Servers.Connection.Jumps]]\nHost = "hop"\nKnownHost = "hop {HOST_KEY}"\n'
STREAMS = f"{TWO}.Streams"
STREAM = '[[Servers.Streams]]\nName = "shop"\nCommand = "pg_dump"\n'
ENTRY = '"10.0.0.7 {HOST_KEY}"'


def option(lines: str, word: str, place: str = "") -> tuple[str, str, str, str]:
    """Set an option of the first target."""
    name = place or lines.partition(" ")[0]
    return 'Name = "web1"', f'Name = "web1"\n{lines}', f"{ONE}.{name} {WEB1}", word


# fmt: off
BROKEN = {
    # TOML
    "no closing quote": ('RootDir = "/home/backups"', 'RootDir = "/home/backups', "line 3, column 25", "line end"),
    "no quotes at all": ("'swordfish'", "swordfish", "line", "quote"),
    "no equals sign": ('Passphrase = "hunter2 and more"', "Passphrase hunter2", "line", "quote"),
    "key twice": ("Jobs = 4", "Jobs = 4\nJobs = 5", "line 6, column 9", "second time"),
    "key twice in a sub-table": ('SubDir = "sub/web1"', 'SubDir = "a"\nSubDir = "b"', "line ", "second time"),
    "table twice": ("[[Servers]]\nName = \"web1\"", '[Borg.Server]\n[[Servers]]\nName = "web1"', "line ", "second"),
    "unclosed multi-line text": ("{T_KEY}\"\"\"\nProxyJumpHost", "{T_KEY}\nProxyJumpHost", "line ", "closing quote"),
    "unknown escape": ('"hunter2 and more"', r'"hunter2\q"', "line", "backslash"),
    "control character": ('"hunter2 and more"', '"hunter2\x01"', "line", "control character"),
    "bad unicode": ('"hunter2 and more"', r'"hunter2\ud800"', "line", "character"),
    "not UTF-8": ('"hunter2 and more"', '"hunter2\udcff"', "line", "UTF-8"),
    "empty table name": ("[Borg.Server]", "[]", "line 7", ""),
    "bad date": ("Jobs = 4", "Jobs = 1979-13-45", "line 5", "quotes"),
    # keys
    "misspelt key": ("PruneSetting", "PruneSettings", "Borg", "did you mean `PruneSetting`?"),
    "misspelt key in a target": ("SourcePaths = [\"/etc\"", "SourcePath = [\"/etc\"", f"{ONE} {WEB1}", "`SourcePaths`"),
    "misspelt table": ('[Servers.BorgTarget]\nSubDir = "sub/db1', '[Servers.BorgTargets]\nSubDir = "sub/db1',
                       f"{TWO} {DB1}", "`BorgTarget`"),
    "unknown key with nothing near": ("Jobs = 4", "Zzzz = 4", "Borg",
                                      "the keys of this table are RootDir, PruneSetting, PruneAlso"),
    "unknown table": ("[[Servers]]\nName = \"web1\"", '[Wombat]\n[[Servers]]\nName = "web1"', "the config", "`Wombat`"),
    "key of another table": ('Username = "backup"\nHost = "10', 'Username = "backup"\nExcludes = []\nHost = "10',
                             f"{TWO}.Connection {DB1}", "belongs in [[Servers]]"),
    "key spelled in two ways": ("Jobs = 4", "Jobs = 4\njobs = 4", JOBS, "two ways"),
    "table spelled in two ways": ("[Borg.Server]", "[borg]\nJobs = 3\n[Borg.Server]", "Borg", "two ways"),
    "unprintable key": ("Jobs = 4", '"\\u001b[31m" = 4', "Borg", "one of its keys is not"),
    # missing
    "no RootDir": ('RootDir = "/home/backups"\n', "", ROOT, "is missing"),
    "no PruneSetting": ('PruneSetting = "--keep-daily 7 --keep-weekly 20 --keep-monthly 12"\n', "", KEEP, "is missing"),
    "no Name": ('Name = "db1"\n', "", NAME, "is missing"),
    "no SourcePaths": ('SourcePaths = ["/var/lib"]\n', "", PATHS, "is missing"),
    "no SubDir": ('SubDir = "sub/db1"\n', "", SUB, "is missing"),
    "no Passphrase": ("Passphrase = 'swordfish'\n", "", PASS, "is missing"),
    "no Host": ('Host = "10.0.0.7"\n', "", HOST, "is missing"),
    "no Username": ('UserName = "borg"\n', "", USER, "is missing"),
    "no KnownHost": ('KnownHost = "10.0.0.7 {HOST_KEY}"\n', "", KNOWN, "ssh-keyscan"),
    "no PrivateKey": ('PrivateKey = """\n{B_KEY}"""\n', "", KEY, "is missing"),
    # types
    "number for text": ('RootDir = "/home/backups"', "RootDir = 7", ROOT, "text in quotes"),
    "number for a secret": ("'swordfish'", "12345678", PASS, "text in quotes"),
    "list for a secret": ("'swordfish'", "['swordfish']", PASS, "text in quotes"),
    "table for a secret": ("'swordfish'", "{ x = 'swordfish' }", PASS, "in quotes"),
    "text for a list": ('["/var/lib"]', '"/var/lib"', PATHS, "must be a list"),
    "number in a list": ('["/var/lib"]', '["/var/lib", 7]', f"{TWO}.SourcePaths[1] {DB1}", "text in quotes"),
    "text for Jobs": ("Jobs = 4", 'Jobs = "4"', JOBS, "whole number"),
    "truth for Jobs": ("Jobs = 4", "Jobs = true", JOBS, "whole number"),
    "fraction for Jobs": ("Jobs = 4", "Jobs = 4.0", JOBS, "whole number"),
    "no Jobs at all": ("Jobs = 4", "Jobs = 0", JOBS, "from 1 to 1000"),
    "too many Jobs": ("Jobs = 4", "Jobs = 1001", JOBS, "from 1 to 1000"),
    "absurdly many Jobs": ("Jobs = 4", f"Jobs = 1{'0' * 40}", JOBS, "from 1 to 1000"),
    "too many Retries": ("Jobs = 4", "Retries = 11", "Borg.Retries", "from 0 to 10"),
    "fewer Retries than none": ("Jobs = 4", "Retries = -1", "Borg.Retries", "from 0 to 10"),
    "CheckEvery without a unit": ("Jobs = 4", 'CheckEvery = "7"', CHECK, "`always`"),
    "CheckEvery as a number": ("Jobs = 4", "CheckEvery = 7", CHECK, "text in quotes"),
    "CheckEvery in another case": ("Jobs = 4", 'CheckEvery = "Never"', CHECK, "`never`"),
    "CheckEvery once in a blue moon": ("Jobs = 4", 'CheckEvery = "400d"', CHECK, "than a year"),
    "Defaults that are no table": ("Jobs = 4", "Defaults = 4", "Borg.Defaults", "write [Borg.Defaults]"),
    "Timeout of all without a unit": ("[Borg.Server]", '[Borg.Defaults]\nTimeout = "90"\n[Borg.Server]',
                                      "Borg.Defaults.Timeout", "`90m`"),
    "an empty command for all": ("[Borg.Server]", '[Borg.Defaults]\nBefore = ["true", " "]\n[Borg.Server]',
                                 "Borg.Defaults.Before[1]", "is empty"),
    "LockWait of all longer than the stall of one": (
        '[[Servers]]\nName = "web1"',
        '[Borg.Defaults]\nLockWait = "50s"\n[[Servers]]\nName = "web1"\nStallTimeout = "45s"',
        "Borg.Defaults.LockWait",
        "raise StallTimeout",
    ),
    "Name among the defaults": ("[Borg.Server]", '[Borg.Defaults]\nName = "a"\n[Borg.Server]', "Borg.Defaults", "[[Se"),
    "Timeout without a unit": ('Name = "web1"', 'Name = "web1"\nTimeout = "90"', TIMEOUT, "`90m`"),
    "Timeout as a number": ('Name = "web1"', 'Name = "web1"\nTimeout = 90', TIMEOUT, "text in quotes"),
    "no Timeout at all": ('Name = "web1"', 'Name = "web1"\nTimeout = "0s"', TIMEOUT, "`90m`"),
    "endless Timeout": ('Name = "web1"', 'Name = "web1"\nTimeout = "9999d"', TIMEOUT, "than a year"),
    "Compression unknown to borg": option('Compression = "brotli"', "`zstd`"),
    "Compression too strong": option('Compression = "zstd,23"', "`zstd,22`"),
    "Compression with more in it": option('Compression = "lz4 --list"', "`lz4`"),
    "OneFileSystem in quotes": option('OneFileSystem = "yes"', "true or false"),
    "ExcludeCaches as a number": option("ExcludeCaches = 1", "true or false"),
    "ExcludeIfPresent as a text": option('ExcludeIfPresent = ".nobackup"', "must be a list"),
    "ExcludeIfPresent of a path": option('ExcludeIfPresent = ["a/b"]', "is a path", "ExcludeIfPresent[0]"),
    "ExcludeIfPresent of nothing": option('ExcludeIfPresent = [""]', "names no file", "ExcludeIfPresent[0]"),
    "PatternsFrom a relative path": option('PatternsFrom = "patterns"', "begin it with `/`"),
    "PatternsFrom an option": option('PatternsFrom = "--repository"', "begin it with `/`"),
    "UploadRateLimit without a unit": option('UploadRateLimit = "500"', "`2M`"),
    "UploadRateLimit that borg takes for none": option('UploadRateLimit = "0K"', "slower than 10K"),
    "FilesCache unknown to borg": option('FilesCache = "size"', "`ctime,size`"),
    "CheckpointInterval as a number": option("CheckpointInterval = 1800", "text in quotes"),
    "CheckpointInterval of nothing": option('CheckpointInterval = "0s"', "`90m`"),
    "LockWait without a unit": option('LockWait = "60"', "`90m`"),
    "LockWait longer than a stall": option('LockWait = "30m"', "raise StallTimeout"),
    "LockWait longer than the stall of this target": option('LockWait = "50s"\nStallTimeout = "45s"', "StallTimeout"),
    "Encryption of nothing": option('Encryption = "none"', "let the backup server read"),
    "Encryption of names alone": option('Encryption = "authenticated-blake2"', "let the backup server read"),
    "Encryption with a key in a file": option('Encryption = "keyfile"', "only one machine"),
    "Encryption unknown here": option('Encryption = "repokey-aes-ocb"', "`repokey-blake2`"),
    "Nice beyond what there is": option("Nice = 20", "from 0 to 19"),
    "Nice in quotes": option('Nice = "10"', "from 0 to 19"),
    "Nice that is not nice": option("Nice = -5", "from 0 to 19"),
    "Before as a text": option('Before = "true"', "must be a list"),
    "Before of nothing": option('Before = ["true", " "]', "is empty", "Before[1]"),
    "After with NUL": option('After = ["a\\u0000"]', "NUL", "After[0]"),
    "After without end": option(f'After = ["{"x" * 20000}"]', "into a script", "After[0]"),
    "OnFailure with too much": option(f"OnFailure = {['true'] * 21}", "than 20"),
    "Quota of nothing known": ('Name = "web1"', 'Name = "web1"\nQuota = "50"', QUOTA, "`50G`"),
    "Transport": ('Name = "web1"', 'Name = "web1"\nTransport = "north"', f'{ONE}.Transport ("web1")', "`forward` or"),
    "Quota too small for borg": ('Name = "web1"', 'Name = "web1"\nQuota = "9.9M"', QUOTA, "than 10M"),
    "Gate that is no truth value": ('Name = "web1"', 'Name = "web1"\nGate = "true"', GATE, "true or false"),
    # RootDir, SubDir
    "relative RootDir": ('"/home/backups"', '"home/backups"', ROOT, "absolute"),
    "home as RootDir": ('"/home/backups"', '"~/backups"', ROOT, "absolute"),
    "empty RootDir": ('"/home/backups"', '""', ROOT, "absolute"),
    "dots in RootDir": ('"/home/backups"', '"/home/../backups"', ROOT, "`..`"),
    "line end in RootDir": ('"/home/backups"', r'"/home/\nbackups"', ROOT, "control character"),
    "archive mark in RootDir": ('"/home/backups"', '"/home/a::b"', ROOT, "archive"),
    "placeholder in RootDir": ('"/home/backups"', '"/home/{hostname}"', ROOT, "placeholder"),
    "climbing SubDir": ('"sub/db1"', '"sub/../../etc"', SUB, "`..`"),
    "empty SubDir": ('"sub/db1"', '""', SUB, "no folder of its own"),
    "slash as SubDir": ('"sub/db1"', '"/"', SUB, "no folder of its own"),
    "dot as SubDir": ('"sub/db1"', '"./."', SUB, "no folder of its own"),
    "reserved SubDir": ('"sub/db1"', '".borgpull/db1"', SUB, "keeps for itself"),
    "reserved SubDir in disguise": ('"sub/db1"', '"/.//.borgpull"', SUB, "for itself"),
    "archive mark in SubDir": ('"sub/db1"', '"sub::db1"', SUB, "archive"),
    "placeholder in SubDir": ('"sub/db1"', '"sub/{now}"', SUB, "placeholder"),
    "NUL in SubDir": ('"sub/db1"', r'"sub/\u0000"', SUB, "control character"),
    # targets in each other's way
    "same repository": ('"sub/db1"', '"sub/web1"', SUB, f"repository of {ONE} {WEB1}"),
    "same repository in disguise": ('"sub/db1"', '"/sub/.//web1/"', SUB, f"repository of {ONE} {WEB1}"),
    "repository inside another": ('"sub/db1"', '"sub/web1/db1"', SUB, f"inside the repository of {ONE} {WEB1}"),
    "repository around another": ('"sub/db1"', '"sub"',
                                  f"{ONE}.BorgTarget.SubDir {WEB1}", f"inside the repository of {TWO} {DB1}"),
    "same name": ('"db1"', '"web1"', f"{TWO}.Name {WEB1}", f"name of {ONE}"),
    "same name but for spaces": ('"db1"', '" web1 "', f"{TWO}.Name {WEB1}", f"name of {ONE}"),
    # names
    "empty name": ('"db1"', '" "', NAME, "is empty"),
    "name of two lines": ('"db1"', r'"db\n1"', NAME, "one printable line"),
    "name with an escape sequence": ('"db1"', r'"\u001b[31mdb1"', NAME, "one printable line"),
    "name that turns the line around": ('"db1"', r'"\u202Edb1"', NAME, "one printable line"),
    "long name": ('"db1"', f'"{"d" * 101}"', NAME, "longer than 100"),
    # hosts and users
    "empty host": ('"10.0.0.7"', '""', HOST, "no host name"),
    "host is an option": ('"10.0.0.7"', '"-oProxyCommand=reboot"', HOST, "dash"),
    "host with a user": ('"10.0.0.7"', '"root@db1"', HOST, "Username"),
    "host is a URL": ('"10.0.0.7"', '"ssh://db1"', HOST, "Host"),
    "host is a URL with a port": ('"10.0.0.7"', '"ssh://db1:22"', HOST, "URL"),
    "host with a space": ('"10.0.0.7"', '"db1 db2"', HOST, "not a host name"),
    "host with a shell in it": ('"10.0.0.7"', '"db1;reboot"', HOST, "not a host name"),
    "host with other letters": ('"10.0.0.7"', '"düsseldorf"', HOST, "xn--"),
    "two hosts": ('"10.0.0.7"', '"db1,db2"', HOST, "not a host name"),
    "host is short for an address": ('"10.0.0.7"', '"10.7"', HOST, "four numbers"),
    "host is a bare number": ('"10.0.0.7"', '"0x7f000001:22"', HOST, "four numbers"),
    "host is an octal address": ('"10.0.0.7"', '"010.0.0.7"', HOST, "four numbers"),
    "host is out of range": ('"10.0.0.7"', '"10.0.0.256"', HOST, "four numbers"),
    "host with a line end": ('"10.0.0.7"', r'"db1\n"', HOST, "not a host name"),
    "port 0": ('"10.0.0.7"', '"db1:0"', HOST, "1 to 65535"),
    "port 65536": ('"10.0.0.7"', '"db1:65536"', HOST, "1 to 65535"),
    "port is a word": ('"10.0.0.7"', '"db1:ssh"', HOST, "1 to 65535"),
    "port is empty": ('"10.0.0.7"', '"db1:"', HOST, "1 to 65535"),
    "port in other digits": ('"10.0.0.7"', '"db1:٢٢"', HOST, "1 to 65535"),
    "bad IPv6": ('"10.0.0.7"', '"[fe80::zz]:22"', HOST, "IPv6"),
    "zone id": ('"10.0.0.7"', '"fe80::1%eth0"', HOST, "zone id"),
    "zone id in brackets": ('"10.0.0.7"', '"[fe80::1%eth0]:22"', HOST, "zone id"),
    "jump host is an option": ('"jump.example.org"\n', '"-J"\n', f"{TWO}.Connection.ProxyJumpHost {DB1}", "dash"),
    "user is an option": ('UserName = "borg"', 'UserName = "-l"', USER, "dash"),
    "empty user": ('UserName = "borg"', 'UserName = ""', USER, "is empty"),
    "user in quotes": ('UserName = "borg"', """UserName = "'borg'\"""", USER, "not a user name"),
    "user that ends with a backslash": ('UserName = "borg"', r'UserName = "CORP\\"', USER, "not a user name"),
    "user with an option": ('UserName = "borg"', 'UserName = "borg -l"', USER, "not a user name"),
    "user with a shell in it": ('UserName = "borg"', 'UserName = "b;reboot"', USER, "not a user name"),
    "ciphers with a blank": (JUMP, f'{JUMP}\nCiphers = "aes256-ctr -oX"', f"{TWO}.Connection.Ciphers {DB1}", "commas"),
    # the jump host's half
    "jump without known host": ('ProxyJumpKnownHost = "jump.example.org {HOST_KEY}"\n', "",
                                f"{TWO}.Connection.ProxyJumpKnownHost {DB1}", "is missing"),
    "user of a jump without it": (JUMP, 'ProxyJumpUsername = "x"', f"{TWO}.Connection.ProxyJumpHost {DB1}",
                                  "remove ProxyJumpUsername"),
    "encrypted key of a jump": (JUMP, f'{JUMP}\nProxyJumpPrivateKey = """{{ENCRYPTED}}"""',
                                f"{TWO}.Connection.ProxyJumpPrivateKey {DB1}", "encrypted"),
    "jumps in both forms": (LAST, f"{LAST}\n{HOP}", f"{TWO}.Connection.Jumps {DB1}", "beside ProxyJumpHost"),
    "jump of another name": (JUMP, HOP.replace('"hop ', '"x '), f"{TWO}.Connection.Jumps[0].KnownHost {DB1}", "x"),
    "cut key of a jump": (JUMP, HOP + 'PrivateKey = """{TRUNCATED}"""', f"{TWO}.Connection.Jumps[0].PrivateKey {DB1}",
                          "cut off"),
    "jump without a host": (JUMP, HOP.replace('Host = "hop"\n', ""), f"{TWO}.Connection.Jumps[0].Host {DB1}",
                            "is missing"),
    "known host without jump": ('ProxyJumpHost = "jump.example.org"\n', "",
                                f"{TWO}.Connection.ProxyJumpHost {DB1}", "is missing"),
    # keys
    "empty key": ("{B_KEY}", " \n", KEY, "is empty"),
    "encrypted key": ("{B_KEY}", "{ENCRYPTED}", KEY, "encrypted"),
    "encrypted PEM key": ("{B_KEY}", "{ENCRYPTED_PEM}", KEY, "encrypted"),
    "truncated key": ("{B_KEY}", "{TRUNCATED}", KEY, "cut off"),
    "key without its first line": ("{B_KEY}", "{HEADLESS}", KEY, "BEGIN"),
    "key on one line": ("{B_KEY}", "{ONE_LINE}", KEY, "damaged"),
    "public key": ("{B_KEY}", "{PUBLIC}", KEY, "public key"),
    "no certificate": (LINE, f'{LINE}\nCertificate = "hunter2"', CERT, "not the OpenSSH certificate"),
    "public key as certificate": (LINE, f'{LINE}\nCertificate = "{{HOST_KEY}}"', CERT, "not the OpenSSH"),
    "private key as certificate": (LINE, f'{LINE}\nCertificate = """\n{{B_KEY}}"""', CERT, "not the OpenSSH"),
    "certificate of a host": (LINE, f'{LINE}\nCertificate = "{{HOST_CERTIFICATE}}"', CERT, "certificate of a user"),
    "certificate for another key": (LINE, f'{LINE}\nCertificate = "{{T_CERTIFICATE}}"', CERT, "another private"),
    "two ways to a key": (LINE, f'{LINE}\nPrivateKeyCommand = "x"', f"{B}.PrivateKeyCommand", "beside PrivateKey"),
    "empty command for a key": ('PrivateKey = """\n{B_KEY}"""', 'PrivateKeyCommand = " "', f"{B}.PrivateKeyCommand",
                                "is empty"),
    # known hosts
    "empty known host": (ENTRY, '"\\n"', KNOWN, "is empty"),
    "known host of another": (ENTRY, '"10.0.0.8 {HOST_KEY}"', KNOWN, "has keys for `10.0.0.8`"),
    "known host of another port": (KNOWN_B, "[backup.example.org]:22 {HOST_KEY}\n",
                                   f"{B}.KnownHost", "none for `[backup.example.org]:2222`"),
    "comments alone": (ENTRY, '"# 10.0.0.7 SSH-2.0"', KNOWN, "no valid host key"),
    "cut known host": (ENTRY, '"10.0.0.7 ssh-ed25519 AAAAC3Nz"', KNOWN, "no valid host key"),
    "revoked known host": (ENTRY, '"@revoked 10.0.0.7 {HOST_KEY}"', KNOWN, "revoked"),
    "private key as known host": (ENTRY, '"""\n{B_KEY}"""', KNOWN, "no valid host key"),
    "known host of the jump is another's": ('"jump.example.org {HOST_KEY}"', '"x {HOST_KEY}"',
                                            f"{TWO}.Connection.ProxyJumpKnownHost {DB1}", "has keys for `x`"),
    # passphrases, paths, excludes
    "empty passphrase": ("'swordfish'", "''", PASS, "is empty"),
    "passphrase of two lines": ("'swordfish'", r'"sword\nfish"', PASS, "line end"),
    "passphrase with a final line end": ("'swordfish'", '"""swordfish\n"""', PASS, "line end"),
    "passphrase with CR": ("'swordfish'", r'"swordfish\r"', PASS, "line end"),
    "passphrase with NUL": ("'swordfish'", r'"swordfish\u0000"', PASS, "NUL"),
    "nothing to back up": ('["/var/lib"]', "[]", PATHS, "is empty"),
    "empty path": ('["/var/lib"]', '["/var/lib", ""]', f"{TWO}.SourcePaths[1] {DB1}", "is empty"),
    "NUL in a path": ('["/var/lib"]', r'["/var/\u0000"]', f"{TWO}.SourcePaths[0] {DB1}", "NUL"),
    "empty exclude": ('["/srv/**/*.tmp"]', '[""]', f"{ONE}.Excludes[0] {WEB1}", "is empty"),
    "NUL in an exclude": ('["/srv/**/*.tmp"]', r'["\u0000"]', f"{ONE}.Excludes[0] {WEB1}", "NUL"),
    # retention
    "no retention": ("--keep-daily 7 --keep-weekly 20 --keep-monthly 12", "", KEEP, "keeps nothing"),
    "zero retention": ("7 --keep-weekly 20 --keep-monthly 12", "0", KEEP, "keeps nothing"),
    "option of prune": ("--keep-daily 7", "--keep-daily 7 --force", KEEP, "`--force`"),
    "other archives": ("--keep-daily 7", "-a '*' --keep-daily 7", KEEP, "`-a` is not"),
    "other command": ("--keep-daily 7", "--keep-daily 7; reboot", KEEP, "whole number"),
    "repository in retention": ("--keep-daily 7", "--keep-daily 7 /srv", KEEP, "something in it"),
    "misspelt retention": ("--keep-daily", "--keep-dayly", KEEP, "did you mean `--keep-daily`?"),
    "abbreviated retention": ("--keep-daily", "--keep-dail", KEEP, "did you mean `--keep-daily`?"),
    "short option": ("--keep-daily 7", "-d 7", KEEP, "write `--keep-daily`"),
    "word for a number": ("--keep-daily 7", "--keep-daily seven", KEEP, "whole number"),
    "number is missing": ("--keep-monthly 12", "--keep-monthly", KEEP, "whole number"),
    "no unit": ("--keep-daily 7", "--keep-within 7", KEEP, "H d w m y"),
    "within nothing": ("--keep-daily 7", "--keep-within 0d", KEEP, "H d w m y"),
    "retention twice": ("--keep-weekly 20", "--keep-daily=8", KEEP, "twice"),
    "same retention in two names": ("--keep-weekly 20", "--keep-last 1 --keep-secondly 2", KEEP, "twice"),
    "open quote in retention": ("--keep-daily 7", "--keep-daily '7", KEEP, "quote"),
    # BorgPath
    "empty BorgPath": ('"/opt/borg/bin/borg"', '""', BORG, "is empty"),
    "BorgPath is an option": ('"/opt/borg/bin/borg"', '"-c"', BORG, "dash"),
    "BorgPath below a home": ('"/opt/borg/bin/borg"', '"~/bin/borg"', BORG, "not expanded"),
    "BorgPath of two lines": ('"/opt/borg/bin/borg"', r'"borg\n"', BORG, "control character"),
    # SocatPath
    "empty SocatPath": ('"/opt/borg/bin/borg"', '"borg"\nSocatPath = ""', SOCAT, "is empty: write the path of socat"),
    "SocatPath is an option": ('"/opt/borg/bin/borg"', '"borg"\nSocatPath = "-V"', SOCAT, "dash"),
    "SocatPath below a home": ('"/opt/borg/bin/borg"', '"borg"\nSocatPath = "~/socat"', SOCAT, "absolute"),
    "SocatPath in some folder": ('"/opt/borg/bin/borg"', '"borg"\nSocatPath = "bin/socat"', SOCAT, "absolute"),
    "SocatPath that needs quotes": ('"/opt/borg/bin/borg"', '"borg"\nSocatPath = "/it\'s"', SOCAT, "only letters"),
    # streams
    "a stream of one table": (LAST, f'{LAST}\n[Servers.Streams]\nName = "a"\nCommand = "b"', f"{STREAMS} {DB1}",
                              "write [[Servers.Streams]]"),
    "streams in the defaults": ("Jobs = 4", 'Jobs = 4\n[[Borg.Defaults.Streams]]\nName = "a"\nCommand = "b"',
                                "Borg.Defaults", "belongs in [[Servers]]"),
    "a stream that is no table": ('["/var/lib"]', '["/var/lib"]\nStreams = ["pg_dump"]', f"{STREAMS}[0] {DB1}",
                                  "must be a table: write [[Servers.Streams]]"),
    "a stream without a name": (LAST, f'{LAST}\n{STREAM.replace("Name", "#")}', f"{STREAMS}[0].Name {DB1}",
                                "is missing"),
    "a stream without a command": (LAST, f'{LAST}\n{STREAM.replace("Command", "#")}', f"{STREAMS}[0].Command {DB1}",
                                   "is missing"),
    "an empty command of a stream": (LAST, f'{LAST}\n{STREAM.replace("pg_dump", " ")}', f"{STREAMS}[0].Command {DB1}",
                                     "is empty"),
    "two streams of one name": (LAST, f"{LAST}\n{STREAM}{STREAM}", f"{STREAMS}[1].Name {DB1}", "Streams[0] too"),
    **{
        f"a stream called {name!r}": (LAST, f'{LAST}\n{STREAM.replace("shop", name)}', f"{STREAMS}[0].Name {DB1}",
                                      "not a name for a stream")
        for name in ("", "-a", ".a", "a/b", "a*", "a b", "{now}", "é", "@a", "a" * 51)
    },
    # who is told
    "Ping that is no URL": ("[Borg.Server]", '[Notify]\nPing = "hc-ping"\n[Borg.Server]', PING, "https:// URL"),
    "Ping of another kind": ("[Borg.Server]", '[Notify]\nPing = "file:///etc/x"\n[Borg.Server]', PING, "https:// URL"),
    "Ping with a space": ("[Borg.Server]", '[Notify]\nPing = "https://a/ b"\n[Borg.Server]', PING, "https:// URL"),
    "Ping in the clear": ("[Borg.Server]", '[Notify]\nPing = "http://hc.example.org/1"\n[Borg.Server]', PING, "forge"),
    "Ping with a user": ("[Borg.Server]", '[Notify]\nPing = "https://a:hunter2@b/"\n[Borg.Server]', PING, "user"),
    "Ping with a bad port": ("[Borg.Server]", '[Notify]\nPing = "https://a:99999/"\n[Borg.Server]', PING, "not a URL"),
    "empty OnFinish": ("[Borg.Server]", '[Notify]\nOnFinish = " "\n[Borg.Server]', "Notify.OnFinish", "is empty"),
    "NUL in OnFinish": ("[Borg.Server]", '[Notify]\nOnFinish = "a\\u0000"\n[Borg.Server]', "Notify.OnFinish", "NUL"),
    "Notify that is no table": ("[[Servers]]\nName = \"web1\"", '[[Notify]]\n[[Servers]]\nName = "web1"',
                                "Notify", "write [Notify]"),
    "Ping in another table": ("Jobs = 4", 'Jobs = 4\nPing = "https://a/"', "Borg", "belongs in [Notify]"),
    # AppendSocket, FullSocket, StateDir
    "one socket alone": ("[Borg.Server]", f"[Borg.Server]\n{APPEND}", f"{B}.FullSocket", "is missing"),
    "StateDir alone": ("Jobs = 4", f"Jobs = 4\n{STATE}", f"{B}.AppendSocket", "all three"),
    "sockets without StateDir": ("[Borg.Server]", f"[Borg.Server]\n{APPEND}\n{FULL}", "Borg.StateDir", "is missing"),
    "a socket for all repositories": (
        "[Borg.Server]",
        f'{STATE}\n[Borg.Server]\nAppendSocket = "/run/a.sock"\n{FULL}',
        f"{B}.AppendSocket",
        "`{SubDir}`",
    ),
    "a relative socket": (
        "[Borg.Server]",
        f'{STATE}\n[Borg.Server]\nAppendSocket = "run/{{SubDir}}"\n{FULL}',
        f"{B}.AppendSocket",
        "absolute",
    ),
    "one socket for both": (
        "[Borg.Server]",
        f"{STATE}\n[Borg.Server]\n{APPEND}\n{FULL.replace('full', 'append')}",
        f"{B}.FullSocket",
        "full access",
    ),
    "a socket too long": (
        "[Borg.Server]",
        f'{STATE}\n[Borg.Server]\nAppendSocket = "/run/{"x" * 94}/{{SubDir}}"\n{FULL}',
        'Servers[0].BorgTarget.SubDir ("web1")',
        "107 bytes",
    ),
    "a relative StateDir": (
        "[Borg.Server]",
        f'StateDir = "state"\n[Borg.Server]\n{APPEND}\n{FULL}',
        "Borg.StateDir",
        "absolute",
    ),
    "BorgPath of the server": ("Jobs = 4", 'Jobs = 4\nBorgPath = "borg"', "Borg", "or [Borg.Server]"),
}
# fmt: on
