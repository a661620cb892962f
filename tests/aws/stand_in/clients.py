"""boto3 clients of the stand-in itself: with them it does what AWS's services do to each other."""

import threading
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

CREDENTIALS = {"aws_access_key_id": "stand-in", "aws_secret_access_key": "stand-in"}


class Clients:
    """Clients by region and service, each made once."""

    def __init__(self, url: str):
        self.url = url
        self.made: dict[tuple[str, str], Any] = {}
        self.lock = threading.Lock()  # boto3 makes clients in one thread at a time

    def of(self, region: str) -> Callable[[str], Any]:
        """Return what makes the clients of a region."""
        return lambda service: self.client(region, service)

    def client(self, region: str, service: str) -> Any:
        """Return a client."""
        with self.lock:
            if (region, service) not in self.made:
                session = boto3.Session(region_name=region, **CREDENTIALS)
                config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
                self.made[region, service] = session.client(service, endpoint_url=self.url, config=config)
            return self.made[region, service]
