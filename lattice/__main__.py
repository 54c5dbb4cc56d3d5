"""`python -m lattice`, the same as the command `lattice`."""

from lattice.cli import main

if __name__ == "__main__":
    main(prog_name="lattice")
