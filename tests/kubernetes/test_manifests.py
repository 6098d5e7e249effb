"""The manifests: what the API would say of them, what they promise, and the command line that their pods run."""

import re
import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml

from borgpull.fleet import Shard, read_shard
from support import ROOT

FILE = ROOT / "docs" / "kubernetes" / "borgpull.yaml"
DOCUMENTS = list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))
# backoffLimitPerIndex came, as beta, with 1.29.
VERSIONS = ["1.29", "1.34", kubernetes_validate.latest_version()]


def one(kind: str) -> dict[str, Any]:
    return next(document for document in DOCUMENTS if document["kind"] == kind)


JOB = one("CronJob")["spec"]["jobTemplate"]["spec"]
POD = JOB["template"]["spec"]
CONTAINER = POD["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
def test_the_api_knows_every_field(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_the_api_does_not_know_is_found():
    wrong = one("CronJob") | {"spec": one("CronJob")["spec"] | {"concurencyPolicy": "Forbid"}}
    with pytest.raises(kubernetes_validate.ValidationError, match="concurencyPolicy"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_the_pods_are_all_shards_and_each_is_one_of_them():
    (option,) = [argument for argument in CONTAINER["args"] if argument.startswith("--shard=")]
    shards = [
        option.removeprefix("--shard=").replace("$(JOB_COMPLETION_INDEX)", str(n)) for n in range(JOB["completions"])
    ]
    assert [read_shard(shard) for shard in shards] == [Shard(n, len(shards)) for n in range(len(shards))]
    assert JOB["completionMode"] == "Indexed"
    assert JOB["parallelism"] == JOB["completions"]
    assert "JOB_COMPLETION_INDEX" in [each["name"] for each in CONTAINER["env"]]


def test_borgpull_knows_the_command_line_of_the_pods():
    argv = [sys.executable, "-m", "borgpull", *CONTAINER["args"]]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 4
    assert done.stderr.startswith("error: command line: --config /run/secrets/borgpull/config.toml: No such file")


def test_what_borgpull_has_decided_is_not_run_again():
    final = [rule["onExitCodes"] for rule in JOB["podFailurePolicy"]["rules"] if rule["action"] == "FailIndex"]
    assert final == [{"containerName": CONTAINER["name"], "operator": "In", "values": [1, 2, 3, 4]}]
    assert POD["restartPolicy"] == "Never"
    assert one("CronJob")["spec"]["concurrencyPolicy"] == "Forbid"


def test_a_pod_has_no_more_rights_than_it_needs_and_keeps_keys_in_memory():
    rights = CONTAINER["securityContext"]
    assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert (POD["securityContext"]["runAsNonRoot"], POD["automountServiceAccountToken"]) == (True, False)
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    places = {mount["mountPath"]: volumes[mount["name"]] for mount in CONTAINER["volumeMounts"]}
    assert places["/run"]["emptyDir"]["medium"] == "Memory"
    assert places["/run/secrets/borgpull"]["secret"]["secretName"] == "borgpull"
    assert {path for path, volume in places.items() if "medium" not in volume.get("emptyDir", {"medium": ""})} == {
        "/var/cache/borgpull",
        "/tmp",
    }


def test_the_pod_fits_the_image():
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = POD["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in image, "ssh refuses to run as a user without a name"
    cache = re.search(r"XDG_CACHE_HOME=(\S+)", image)
    assert f"{cache[1]}/borgpull" in [mount["mountPath"] for mount in CONTAINER["volumeMounts"]]
