"""The stand-in as a whole: two HTTP servers, the stacks, the containers."""

from collections.abc import Callable
from pathlib import Path

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from aws.stand_in.bucket_policies import understand_transport
from aws.stand_in.clients import Clients
from aws.stand_in.cloudformation.api import CloudFormation
from aws.stand_in.cloudformation.executor import Executor
from aws.stand_in.cloudformation.store import Store
from aws.stand_in.dispatch import Dispatcher
from aws.stand_in.engine import Engine
from aws.stand_in.hosting import Hosting, Patience
from aws.stand_in.invoking import Invocations
from aws.stand_in.layers import Registry
from aws.stand_in.packages import Packages
from aws.stand_in.sagemaker import SageMaker
from aws.stand_in.scaling import AutoScaling
from aws.stand_in.transform import Transforms
from runtime.server import listen, serve

HOST = "127.0.0.1"


class QuietHandler(MotoRequestHandler):
    """moto's handler of requests, without a line for each."""

    def log_request(self, *_: object) -> None:
        """Write nothing."""


class StandIn:
    """Serves from its making until `close`, which leaves no container behind."""

    def __init__(self, folder: Path, ports: tuple[int, int], say: Callable[[str], None], patience: Patience):
        port, runtime_port = ports
        self.url = f"http://{HOST}:{port}"
        understand_transport()
        clients = Clients(self.url)
        self.engine = Engine(folder)
        invocations = Invocations(say)
        hosting = Hosting(self.engine, clients, folder, invocations, say, patience)
        transforms = Transforms(hosting, say)
        packages = Packages(hosting, say)
        store = Store(Executor(clients.of), say)
        services = {
            "applicationautoscaling": AutoScaling,
            "cloudformation": lambda: CloudFormation(store),
            "ecr": lambda: Registry(self.url),
            "sagemaker": lambda: SageMaker(hosting, transforms, packages),
        }
        with listen(port) as listener:  # make_server by itself would end the program if the port is taken
            more = {"threaded": True, "request_handler": QuietHandler, "fd": listener.fileno()}
            self.server = make_server(HOST, port, Dispatcher(services), **more)
        self.runtime = serve(listen(runtime_port), invocations)

    def serve(self) -> None:
        """Answer requests until `close` is called, from another thread."""
        self.server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """End the servers, and remove every container."""
        self.server.shutdown()
        self.runtime.shutdown()
        self.engine.close()
