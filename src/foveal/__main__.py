"""`python -m foveal` is the `foveal` command."""

import sys

from foveal.cli.app import main

sys.exit(main())
