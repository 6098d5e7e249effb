"""The backup of one target: `job` is the order of its steps, the other files are what a step needs."""

from .job import back_up
from .judge import keep
