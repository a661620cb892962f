"""moto's server, in which some services are ours."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask
from moto.backends import list_of_moto_modules
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from aws.stand_in import layers

Service = Callable[[], Any]  # what answers one request


class Dispatcher(DomainDispatcherApplication):
    """Finds the service of a request as moto does, and asks ours if there is one of that name."""

    def __init__(self, services: Mapping[str, Service]):
        unknown = set(services) - set(list_of_moto_modules())
        if unknown:
            raise ValueError(f"moto has no services of the names {sorted(unknown)}")
        self.services = services
        super().__init__(self.app_of)

    def app_of(self, name: Any) -> Flask:
        """Return moto's application of a service, its one route led to ours."""
        app = create_backend_app(name)
        if name in self.services:
            (endpoint,) = [rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/"]
            app.view_functions[endpoint] = convert_to_flask_response(dispatching(self.services[name]))
        return app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"].startswith(layers.PATH):
            return layers.blob(environ, start_response)
        return super().__call__(environ, start_response)


def dispatching(service: Service) -> Callable[..., Any]:
    """Return a handler in moto's form."""

    def dispatch(request: Any, full_url: Any = None, headers: Any = None) -> Any:
        return service()._dispatch(request, full_url, headers)

    return dispatch
