"""What is secret stays so, at the level that logs most."""

import signal

SECRETS = {"of the environment": "hunter2-env", "of a header": "hunter2-header", "of a body": "hunter2-body"}


def test_no_secret_is_logged_however_much_is(serve):
    server = serve("obedient", SAGEMAKER_CONTAINER_LOG_LEVEL="DEBUG", AWS_SECRET_ACCESS_KEY="hunter2-env")
    answer = server.invoke('{"note": "hunter2-body"}', Authorization="Bearer hunter2-header")
    assert answer.status_code == 200
    refused = server.invoke('{"note": "hunter2-body"', Authorization="Bearer hunter2-header")
    assert refused.status_code == 400
    server.send(signal.SIGTERM)
    assert server.exit_status() == 0
    log = server.log_text()
    assert "DEBUG" in log  # it was asked to say more than usual
    assert [name for name, secret in SECRETS.items() if secret in log] == []
