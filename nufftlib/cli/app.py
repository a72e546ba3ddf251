"""The command line itself."""

from importlib import import_module

import click

COMMANDS = (
    "calibrate-pair",
    "calibrate-psf",
    "deblur",
    "learn-trajectory",
    "reconstruct",
    "report",
    "show",
)


class Commands(click.Group):
    """Commands that are imported on use, each from the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of them, None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"nufftlib.cli.{name}"), f"{name}_command")
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="nufftlib")
def cli() -> None:
    """Learn and calibrate the parameters of imaging operators."""
