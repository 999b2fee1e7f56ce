"""Run a development command: `python -m devkit demo seed`."""

import click
from flask.cli import ScriptInfo

from devkit import demo


@click.group(name="python -m devkit")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Work with the demo, in the stores that the environment names."""
    info = ctx.ensure_object(ScriptInfo)
    info.app_import_path = info.app_import_path or "wsgi"
    ctx.with_resource(info.load_app().app_context())


main.add_command(demo.group)

if __name__ == "__main__":
    main(prog_name="python -m devkit")
