"""``python -m nufftlib`` is the command line."""

from nufftlib.cli import main

if __name__ == "__main__":
    main()
