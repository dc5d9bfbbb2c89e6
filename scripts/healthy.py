"""The health check of a container: `healthy.py URL [CA_FILE]` exits with 0 when a process of the centre answers there.

401 is an answer: whoever asks for a login is there. An https server must show a certificate that CA_FILE vouches for.
"""

import http.client
import ssl
import sys
from http import HTTPStatus
from urllib.parse import urlsplit

TIMEOUT = 3.0
ALIVE = (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED)


def status(url: str, authority: str | None) -> int:
    """What the server answers with. Raises OSError or HTTPException when it does not answer."""
    asked = urlsplit(url)
    connection = (
        http.client.HTTPSConnection(asked.netloc, timeout=TIMEOUT, context=ssl.create_default_context(cafile=authority))
        if asked.scheme == "https"
        else http.client.HTTPConnection(asked.netloc, timeout=TIMEOUT)
    )
    connection.request("GET", asked.path)
    return connection.getresponse().status


def main(url: str, authority: str | None = None) -> int:
    """Returns the exit code; what is wrong is printed, and shown by `docker inspect`."""
    try:
        answer = status(url, authority)
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{url}: {error or type(error).__name__}\n")
        return 1
    if answer not in ALIVE:
        sys.stderr.write(f"{url}: answers with {answer}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
