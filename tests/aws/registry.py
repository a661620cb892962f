"""
A registry that plays ECR: Docker's own program, under ECR's host name, behind TLS and ECR's password.

moto keeps what ECR's API knows of images, but none can be pushed to it. Here a push goes to the registry, which tells
the bridge; the bridge puts the manifest into moto. That takes a moment after the push, as it does in AWS.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import bcrypt
import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from aws.registry_host import ACCOUNT, ADDRESS, HOST, REGION, make_certificate, name_and_trust, the_only_one
from server import until

USER, PASSWORD = "AWS", f"{ACCOUNT}-auth-token"  # moto's, always the same
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


class Registry:
    """
    The registry while it runs: `with Registry(moto_url, folder) as registry`.

    Attributes:
        host: of the repositories' addresses.
        refused: what ECR would not take of what was pushed; it has to be empty at the end.
    """

    host = HOST

    def __init__(self, moto_url: str, folder: Path):
        self.folder = folder
        self.log = folder / "log"
        self.certificate = folder / "certificate.pem"
        self.refused: list[str] = []
        self._passwords = folder / "passwords"
        self._resources = ExitStack()
        self._ecr = boto3.client(
            "ecr",
            endpoint_url=moto_url,
            region_name=REGION,
            aws_access_key_id="registry",
            aws_secret_access_key="registry",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(the_only_one())
            self._session = stack.enter_context(requests.Session())
            self._session.trust_env = False  # no proxy, no .netrc
            self._session.verify = str(self.certificate)
            self._session.auth = (USER, PASSWORD)
            stack.enter_context(closing(self._ecr))
            make_certificate(self.certificate, self.folder / "key.pem")
            self.set_password(PASSWORD)
            stack.enter_context(name_and_trust(self.certificate))
            port = stack.enter_context(bridge(self.tell_ecr))
            stack.enter_context(self._running(port))
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()
        assert not self.refused, f"moto's ECR has refused: {self.refused}"

    @contextmanager
    def _running(self, bridge_port: int) -> Iterator[None]:
        configuration = self.folder / "registry.json"  # JSON is YAML
        configuration.write_text(json.dumps(self._configuration(bridge_port)))
        with (
            self.log.open("wb") as log,
            subprocess.Popen(["docker-registry", "serve", str(configuration)], stdout=log, stderr=log) as process,
        ):
            try:
                until(lambda: process.poll() is not None or self._answers(), "the registry's answer")
                assert process.poll() is None, f"the registry cannot listen on {ADDRESS}: {self.log.read_text()}"
                yield
            finally:
                process.terminate()

    def _configuration(self, bridge_port: int) -> dict[str, Any]:
        told = {"name": "bridge", "url": f"http://127.0.0.1:{bridge_port}", "timeout": "30s", "threshold": 1}
        return {
            "version": 0.1,
            "log": {"level": "warn"},  # and a line for each request
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "storage")}},
            "http": {
                "addr": "{}:{}".format(*ADDRESS),
                "secret": "the only instance",
                "tls": {"certificate": str(self.certificate), "key": str(self.folder / "key.pem")},
            },
            "auth": {"htpasswd": {"realm": "ECR", "path": str(self._passwords)}},
            "notifications": {"endpoints": [{**told, "backoff": "1s"}]},
        }

    def _answers(self) -> bool:
        with suppress(requests.ConnectionError):
            return self._session.get(f"https://{HOST}/v2/", timeout=5).ok
        return False

    def set_password(self, password: str) -> None:
        """Have the registry take this password, from the next request on."""
        crypted = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        self._passwords.write_text(f"{USER}:{crypted}\n")

    def requested(self) -> list[str]:
        """Return each request that was answered, such as "PUT /v2/name/manifests/tag"."""
        words = (line.split('"') for line in self.log.read_text().splitlines() if " HTTP/" in line)
        return [each[1].rpartition(" ")[0] for each in words if len(each) > 1]

    def manifest(self, repository: str, reference: str) -> requests.Response:
        """Ask for a manifest; its digest is in the header Docker-Content-Digest."""
        accept = {"Accept": ", ".join(MANIFESTS)}
        answer = self._session.get(f"https://{HOST}/v2/{repository}/manifests/{reference}", headers=accept, timeout=30)
        answer.raise_for_status()
        return answer

    def put_manifest(self, repository: str, tag: str, content: bytes, media_type: str) -> str:
        """Push a manifest of layers that are there already; return its digest."""
        url = f"https://{HOST}/v2/{repository}/manifests/{tag}"
        answer = self._session.put(url, data=content, headers={"Content-Type": media_type}, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer.headers["Docker-Content-Digest"]

    def tell_ecr(self, repository: str, tag: str | None, digest: str) -> None:
        """Have moto know of an image that was pushed."""
        pushed = self.manifest(repository, digest)
        try:
            self._ecr.put_image(
                repositoryName=repository,
                imageManifest=pushed.text,
                imageManifestMediaType=pushed.headers["Content-Type"],
                imageDigest=digest,
                **({"imageTag": tag} if tag else {}),
            )
        except ClientError as error:
            self.refused.append(f"{repository}:{tag}: {error}")


@contextmanager
def bridge(tell_ecr: Any) -> Iterator[int]:
    """Listen to what the registry tells of each push; give the port."""

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for event in told["events"]:
                target = event["target"]
                if event["action"] == "push" and target["mediaType"] in MANIFESTS:
                    tell_ecr(target["repository"], target.get("tag"), target["digest"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: the registry has a log."""

    with ThreadingHTTPServer((ADDRESS[0], 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
