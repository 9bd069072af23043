"""Images that are not here come from a registry, a real one that asks for name and password; what fails is named."""

import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.containers.pulling import ImageArchitectureError, ImageNotFoundError, ImagePullFailedError
from modelyard.engines.containers.registries import Registries, RegistryRefusedError
from modelyard.settings import Home
from modelyard.testing.engine import EngineCase
from modelyard.testing.services.containers import Podman, busybox_root, podman_service
from modelyard.testing.services.image_registry import PASSWORD, USER, ImageRegistry, image_registry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageRegistry]:
    with image_registry(tmp_path_factory.mktemp("registry") / "r") as service:
        yield service


@pytest.fixture(scope="module")
def podman(registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Another one than that of the other tests: it may speak with the registry, and has none of their images."""
    with podman_service(tmp_path_factory.mktemp("p") / "p", plain_registry=registry.host) as service:
        for name, options in (("here", ()), ("elsewhere", ("--arch", "s390x"))):
            image = f"{registry.host}/team/{name}:1"
            service.command("import", "--quiet", *options, "--change", 'CMD ["echo", "pulled"]', "-", image,
                            content=busybox_root())  # fmt: skip
            service.command("push", "--quiet", "--creds", f"{USER}:{PASSWORD}", image)
        service.command("rmi", "--all", "--force")
        yield service


@pytest.fixture
def case(podman: Podman, tmp_path: Path) -> EngineCase:
    home = Home(tmp_path / "home")
    home.create()
    (tmp_path / "work").mkdir()
    return EngineCase(
        open=lambda: ContainerEngine(home, socket=podman.socket, pull_seconds=30),
        kill_supervisor=lambda _: None,
        folder=tmp_path / "work",
    )


@pytest.fixture
def credentials(case: EngineCase) -> Registries:
    return Registries(Home(case.folder.parent / "home").registries)


def modelyard(home: Path, podman: Podman, *words: str, password: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "modelyard.cli.main", *words, "--home", str(home)],
        env={"MODELYARD_CONTAINER_SOCKET": podman.socket, "PATH": "/usr/bin:/bin"},
        input=password,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_operator_logs_in_and_a_private_image_is_pulled_by_tag_and_by_digest(
    case: EngineCase, podman: Podman, registry: ImageRegistry, credentials: Registries
):
    reference = f"{registry.host}/team/here:1"
    with pytest.raises(RegistryRefusedError, match="asks who we are") as refused:
        case.engine.resolve_image(reference)
    assert f"modelyard registries login {registry.host}" in refused.value.hint

    home, words = (
        case.folder.parent / "home",
        ("login", f"http://{registry.host}", "--username", USER, "--password-stdin"),
    )
    wrong = modelyard(home, podman, "registries", *words, password="guessed")
    assert (wrong.returncode != 0, "does not accept" in wrong.stderr) == (True, True), wrong
    assert not credentials.users()
    right = modelyard(home, podman, "registries", *words, password=f"{PASSWORD}\n")
    assert right.returncode == 0, right.stderr
    assert PASSWORD not in right.stdout + modelyard(home, podman, "registries", "list").stdout
    assert credentials.users() == {registry.host: USER}
    assert stat.S_IMODE((home / "registries.json").stat().st_mode) == 0o600

    pinned = case.engine.resolve_image(reference)
    assert pinned.startswith(f"{registry.host}/team/here@sha256:")
    podman.command("rmi", "--all", "--force")
    assert case.run(replace(case.spec(), image=pinned)).log_tail == "pulled\n"

    podman.command("rmi", "--all", "--force")
    assert modelyard(home, podman, "registries", "logout", registry.host).returncode == 0
    with pytest.raises(RegistryRefusedError):
        case.engine.resolve_image(reference)


def test_what_a_registry_does_not_have_or_has_for_others_only_is_told_apart(
    case: EngineCase, registry: ImageRegistry, credentials: Registries
):
    credentials.add(registry.host, USER, PASSWORD)
    for name, error, words in (
        ("team/absent:1", ImageNotFoundError, "has no image"),
        ("team/here:2", ImageNotFoundError, "has no image"),
        ("team/elsewhere:1", ImageArchitectureError, "for s390x processors"),
    ):
        with pytest.raises(error, match=words):
            case.engine.submit("p-refused", replace(case.spec("true"), image=f"{registry.host}/{name}"))
    assert list(case.engine.list()) == []
    credentials.add(registry.host, USER, "changed since")
    with pytest.raises(RegistryRefusedError, match="does not let us have"):
        case.engine.resolve_image(f"{registry.host}/team/here:1")


def test_a_registry_that_is_silent_costs_no_more_than_the_limit_and_says_so_meanwhile(case: EngineCase, podman: Podman):
    engine = ContainerEngine(Home(case.folder.parent / "home"), socket=podman.socket, pull_seconds=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = f"127.0.0.1:{silent.getsockname()[1]}/far/away:1"
        with pytest.raises(ImagePullFailedError, match="was not there after 2 s"):
            engine.submit("p-silent", replace(case.spec("true"), image=reference))
