"""A container that is reached in another way than usual."""

from server import ContainerServer


class NetworkedServer(ContainerServer):
    """A container in a network of its own, whose port is not published: it is asked at its address there."""

    @property
    def url(self) -> str:
        """Return where it answers; only on Linux does such an address lead anywhere."""
        return f"http://{self.inspect('{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}')}:8080"
