"""`python -m tests.bench`, which is what `make bench` runs."""

from tests.bench.cli import main

if __name__ == "__main__":
    main()
