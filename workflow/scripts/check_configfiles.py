"""Check the files of `--configfile` before Snakemake reads them; see profiles/default/config.yaml."""

import sys

from mct.base.errors import UserError
from mct.base.yaml_files import check_configfiles


def main() -> None:
    try:
        check_configfiles(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
