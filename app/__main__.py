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
            create_app(settings)  # reports a bad environment once, not once in each worker
            serve(load, web, port, folder, settings.request_deadline_s)
    except SettingsError as error:
        sys.exit(str(error))
    finally:
        close_folder()


if __name__ == "__main__":
    main()
