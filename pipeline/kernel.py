"""The kernel of the notebooks: IPython's, without the settings that the machine has for all of its users."""

from ipykernel.kernelapp import launch_new_instance
from IPython.core import application

application.SYSTEM_CONFIG_DIRS.clear()

if __name__ == "__main__":
    launch_new_instance()
