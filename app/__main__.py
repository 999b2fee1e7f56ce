"""Serve with Granian, for clients that connect directly: `python -m app`."""

import signal
import sys
from collections.abc import Callable

from flask import Flask

from app import create_app
from app.observability.terminal import escape_unknown_signs
from app.serving.env_file import read_env_file
from app.serving.launcher import serve
from app.serving.port import claimed_port
from app.serving.run_folder import close_folder, open_folder
from app.serving.web import Web
from config.settings import Settings, SettingsError


def main(load: Callable[[], Flask] = create_app) -> None:
    """Serve what `load` makes until SIGTERM; a bad environment ends the start with its fix."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there are workers for it to replace
    escape_unknown_signs()
    read_env_file()
    web = Web.from_environ()
    try:
        with claimed_port(web) as port:
            folder = open_folder()
            settings = Settings.from_environ()
            settings.require_hosts()
            # Refuses once, before there are workers, a PLANS_FILE or IP_LIMIT that only services
            # check. gunicorn's master makes no application: that needs the folder of the metrics,
            # which it opens only after it has the port. There a worker reports both faults, and
            # `wsgi.CANNOT_START` ends the start.
            create_app(settings)
            serve(load, web, port, folder, settings.request_deadline_s)
    except SettingsError as error:
        sys.exit(str(error))
    finally:
        close_folder()


if __name__ == "__main__":
    main()
