"""Mutants that are broken by what their image says, or only in a container."""

import os
import re
import signal
import sys
from pathlib import Path

from gevent import socket

from mutants.reference import Reference
from mutants.registry import breaks

CAPABILITIES = "com.amazonaws.sagemaker.capabilities"
NO_PORT_LABEL = f"LABEL {CAPABILITIES}.accept-bind-to-port=false"


@breaks("1.02", image=('ENTRYPOINT exec python /mutants/run.py StartsInAShell "$0"',))
class StartsInAShell(Reference):
    """It says exec, and so loses no signal."""


@breaks(
    "1.03",
    image=(
        'RUN ln -s "$(command -v python)" "$(dirname "$(command -v python)")/tini"',
        'ENTRYPOINT ["tini", "/mutants/run.py", "IsCalledTini"]',
    ),
)
class IsCalledTini(Reference):
    """Python by another name, for the base has no tini to start."""


@breaks("1.03", image=())
class LeavesZombies(Reference):
    def wait(self):
        return os.waitpid(next(iter(self.children)), 0)


@breaks("1.05", image=("USER 1000",))
class NamesAUser(Reference):
    """It would work as root as well."""


@breaks("1.07", image=())
class WantsDockersHostName(Reference):
    def refuse_surroundings(self):
        if not re.fullmatch("[0-9a-f]{12}", socket.gethostname()):
            sys.exit("unknown host")


@breaks("1.08", image=())
class WantsAHome(Reference):
    def refuse_surroundings(self):
        if not Path.home().is_dir():
            sys.exit("no home")


@breaks("1.09", image=())
class AlwaysHasTwoWorkers(Reference):
    """Each listens once it has loaded, so that whichever answers a ping or a request, it is ready: 1.23 is kept."""

    workers = 2

    def listen(self):
        self.load()
        return super().listen()


@breaks("1.10", image=("RUN touch /usr/lib/libcuda.so.1",))
class BringsADriver(Reference):
    """An empty one."""


@breaks("1.12", image=(NO_PORT_LABEL,))
class IgnoresTheChosenPort(Reference):
    def port(self):
        return 8080


@breaks("1.13", image=(NO_PORT_LABEL,))
class DoesNotSayThatThePortCanBeChosen(Reference):
    """It can be."""


@breaks("1.50", image=())
class WritesToTheModelFolder(Reference):
    def refuse_surroundings(self):
        if os.access("/opt/ml/model", os.W_OK):
            Path("/opt/ml/model/__pycache__").mkdir()


@breaks("1.55", image=())
class WritesBesideTmp(Reference):
    def refuse_surroundings(self):
        Path("/var/tmp/state").write_text("running")


@breaks("1.56", image=())
class FillsSharedMemory(Reference):
    def refuse_surroundings(self):
        Path("/dev/shm/cache").write_bytes(bytes(1 << 20))


@breaks("1.58", image=())
class NeedsTheNetwork(Reference):
    def refuse_surroundings(self):
        """Take Docker's own name server for the sign of a user's network: there may be nothing outside to call."""
        if "127.0.0.11" in Path("/etc/resolv.conf").read_text():
            sys.exit("nobody answers")


@breaks("2.20", image=(f"LABEL {CAPABILITIES}.bidirectional-streaming=true",))
class ClaimsWebSockets(Reference):
    """It has none."""


@breaks("3.01", image=(f"LABEL {CAPABILITIES}.multi-models=true",))
class ClaimsSeveralModels(Reference):
    """It has one; and is healthy without any, as such an image must be."""

    def ping(self, request):
        response = super().ping(request)
        response.status_code = 200 if "SAGEMAKER_MULTI_MODEL" in os.environ else response.status_code
        return response


@breaks("3.30", image=())
class TakesTheOnlyName(Reference):
    def serve(self):
        own = socket.socket(socket.AF_UNIX)
        own.bind("\0reference")
        super().serve()


@breaks("5.10", f"--limit=serverless_memory_bytes={160 << 20}", image=())
class NeedsTooMuchMemory(Reference):
    def refuse_surroundings(self):
        self.ballast = b"\1" * (200 << 20)


@breaks("5.12", image=())
class NeedsRoot(Reference):
    def refuse_surroundings(self):
        if os.getuid() != 0:
            sys.exit("not root")


@breaks("9.01", image=(), remade="as an OCI manifest")
class HasAnOciManifest(Reference):
    """In the registry; the engine's own copy is as Docker likes it."""


@breaks("9.01", image=(), remade="with zstd layers")
class HasZstdLayers(Reference):
    """In the registry's manifest, which is all that is looked at."""


@breaks("9.04", image=(), remade="for s390x")
class IsForAMainframe(Reference):
    """It says so, and runs here."""


@breaks("9.05", "--limit=image_bytes=629145600", image=("RUN head -c 400M /dev/zero > /zeros",))
class IsTooLarge(Reference):
    """The base has about 400 MB."""


@breaks("10.02", image=())
class RefusesATerminal(Reference):
    def refuse_surroundings(self):
        if sys.stdout.isatty():
            sys.exit(128 + signal.SIGHUP)
