"""`python -m viewer`."""

from viewer.command import main

main()
