"""The manifests fit the schemas of Kubernetes, each other and the service; no cluster is here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.files import (
    DIRECT_WEB,
    DRAIN_S,
    MANIFESTS,
    PORT,
    USER,
    documents,
    must_be_set,
    objects,
    procfile,
    settings,
)

# The oldest that is used here, and the newest whose schema is there.
VERSIONS = ("1.30", "1.37")
WORKLOADS = ("Job", "Deployment")


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and pod of each workload."""
    for kind in WORKLOADS:
        for each in objects(kind):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


PODS = dict(pods())


def container(name: str) -> dict[str, Any]:
    (only,) = PODS[name]["containers"]
    found: dict[str, Any] = only
    return found


def fits(each: dict[str, Any], version: str) -> bool:
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except kubernetes_validate.ValidationError:
        return False
    return True


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_object_fits_its_schema(path: Path, version: str) -> None:
    assert [each for each in documents(path) if not fits(each, version)] == []


def test_a_misspelled_field_does_not_fit() -> None:
    (deployment, *_) = objects("Deployment")
    deployment["spec"]["replica"] = 1
    assert not fits(deployment, VERSIONS[0])


def test_the_processes_are_those_of_the_procfile() -> None:
    commands = {name.removeprefix("turnledger-"): container(name)["command"] for name in PODS}

    assert commands == procfile() | {"web": DIRECT_WEB}


def test_every_variable_is_a_setting_and_none_is_missing() -> None:
    (config,) = objects("ConfigMap")
    (secret,) = objects("Secret")
    variables = {*config["data"], *secret["stringData"]}

    assert must_be_set() <= set(secret["stringData"])
    assert variables <= settings()
    for name in PODS:
        references = [
            reference["name"]
            for source in container(name)["envFrom"]
            for reference in source.values()
        ]
        assert references == [config["metadata"]["name"], secret["metadata"]["name"]]


def test_the_service_refuses_the_secrets_of_the_example() -> None:
    """Nobody serves with secrets that are public."""
    (secret,) = objects("Secret")
    values = secret["stringData"]
    for name in must_be_set() - {"MONGODB_URI", "REDIS_URL"} | {"OPERATOR_TOKEN"}:
        assert len(values[name]) < 32


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_rights(name: str) -> None:
    pod, only = PODS[name], container(name)

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == USER
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert only["resources"]["requests"]
    assert only["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["turnledger-web", "turnledger-worker"])
def test_a_pod_may_drain_before_it_is_killed(name: str) -> None:
    assert PODS[name]["terminationGracePeriodSeconds"] > DRAIN_S


def test_an_outage_of_a_store_restarts_no_pod() -> None:
    web = container("turnledger-web")
    paths = {probe: web[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness")}

    assert set(paths.values()) == {"/healthz"}
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert web["readinessProbe"]["timeoutSeconds"] > 1.5  # how long /readyz asks the stores
    assert web["ports"] == [{"name": "http", "containerPort": PORT}]


def test_services_and_budgets_select_the_pods_of_the_web() -> None:
    (web,) = (each for each in objects("Deployment") if each["metadata"]["name"].endswith("web"))
    labels = web["spec"]["template"]["metadata"]["labels"]
    (service,) = objects("Service")
    (budget,) = objects("PodDisruptionBudget")

    assert service["spec"]["selector"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert web["spec"]["replicas"] - budget["spec"]["maxUnavailable"] >= 1


def test_deployments_select_their_own_pods_only() -> None:
    selectors = [each["spec"]["selector"]["matchLabels"] for each in objects("Deployment")]
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in objects("Deployment")]

    assert selectors == labels
    assert len({tuple(each.items()) for each in labels}) == len(labels)


def test_there_is_one_worker_at_a_time() -> None:
    (worker,) = (
        each for each in objects("Deployment") if each["metadata"]["name"].endswith("worker")
    )
    assert worker["spec"]["replicas"] == 1
    assert worker["spec"]["strategy"] == {"type": "Recreate"}
