"""`python -m mct.command`: the command `mct` of a checkout that is not installed."""

from mct.command.main import start

if __name__ == "__main__":
    start()
