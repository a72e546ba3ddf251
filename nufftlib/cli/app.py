"""The command line itself."""

import click

from nufftlib.cli.calibrate_pair import calibrate_pair_command
from nufftlib.cli.calibrate_psf import calibrate_psf_command
from nufftlib.cli.deblur import deblur_command
from nufftlib.cli.learn_trajectory import learn_trajectory_command
from nufftlib.cli.reconstruct import reconstruct_command
from nufftlib.cli.report import report_command
from nufftlib.cli.show import show_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nufftlib")
def cli() -> None:
    """Learn and calibrate the parameters of imaging operators."""


cli.add_command(learn_trajectory_command)
cli.add_command(calibrate_psf_command)
cli.add_command(calibrate_pair_command)
cli.add_command(deblur_command)
cli.add_command(reconstruct_command)
cli.add_command(report_command)
cli.add_command(show_command)
