"""Paths with letters that a shell or borg could read as something else: they are what the config says."""

import json
import shutil
from pathlib import Path

from support.reading import entry, row, said_of

# A brace cannot be in the path of a repository: borg would read it as a placeholder.
ODD = [
    "[x]",
    "a$b",
    "a b ",
    "$(id)",
    "a'b",
    'a"b',
    "a*?b",
    "a\\b",
    "~x",
    "#x",
    "a%41b",
    "é日",
    "-x",
    "a:b",
    "a;b&c|d",
    "`x`",
]
IN_SOURCES = ["{x}", "{hostname}", "{{x}}", "a{b", "a::b", "a\nb", "pp:x", "+ x"]


def test_root_dir_sub_dir_and_sources_are_literal(world):
    target, config = world.target("web"), world.lab.config()
    table = entry(config, "web")
    config["Servers"] = [table]
    root, sub_dir = world.lab.directory / "".join(ODD), "/".join(ODD)
    config["Borg"]["RootDir"] = str(root)
    table["BorgTarget"]["SubDir"] = sub_dir
    sources = [target.source / "odd" / name for name in [*ODD, *IN_SOURCES]]
    for place in sources:
        place.mkdir(parents=True)
        (place / "file").write_text(place.name)
        (place / "left out").touch()
    table["SourcePaths"] = [str(place) for place in sources]
    table["Excludes"] = [f"pp:{place}/left out" for place in sources]
    for number in range(2):
        result = world.run("--json", "--check", config=config)
        # The first repository below a RootDir is worth a warning.
        assert result.returncode == 1 - number, said_of(row(result, "web"))
    assert (root / sub_dir / "config").is_file()
    looked = world.run("doctor", "--json", config=config)
    assert [each for each in json.loads(looked.stdout)["findings"] if each["mark"] == "failed"] == []
    for place in sources:
        shutil.rmtree(place)
    # Borg lists a `?` as it lists what is no UTF-8: only with --overwrite need nobody tell them apart.
    words = ("restore", "--onto-target", "--overwrite", "web", "latest", str(target.source / "odd"))
    back = world.run(*words, config=config)
    assert back.returncode == 0, back.stderr
    for place in sources:
        assert [each.name for each in Path(place).iterdir()] == ["file"]
        assert (place / "file").read_text() == place.name
