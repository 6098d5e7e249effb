"""The backup of one target: `job` is the order of its steps, the other files are what a step needs."""

from .attempt import keep
from .job import back_up
