"""`python -m jsae train | evaluate | watch`: see jsae.standalone.command."""

import sys

if __name__ == "__main__":
    try:
        from jsae.standalone.command import main
    except ModuleNotFoundError as error:
        sys.exit(f"error: python -m jsae needs {error.name}: run make setup in a checkout of the study")
    main()
