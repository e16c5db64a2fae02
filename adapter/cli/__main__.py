"""`python -m adapter.cli`: the command `liaison` by another way."""

from adapter.cli import main

if __name__ == "__main__":
    main()
