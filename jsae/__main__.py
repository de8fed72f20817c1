"""`python -m jsae train | evaluate | watch`: see jsae.standalone.command."""

from jsae.standalone.command import main

if __name__ == "__main__":
    main()
