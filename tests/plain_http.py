"""Send requests over HTTP without TLS.

httpx itself would read every certificate authority for each client: 25 ms of CPU.
"""

import ssl
from functools import partial

import httpx

_NO_AUTHORITY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

get = partial(httpx.get, verify=_NO_AUTHORITY)
request = partial(httpx.request, verify=_NO_AUTHORITY)
Client = partial(httpx.Client, verify=_NO_AUTHORITY)
Transport = partial(httpx.HTTPTransport, verify=_NO_AUTHORITY)
