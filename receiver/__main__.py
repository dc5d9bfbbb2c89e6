"""`python -m receiver`."""

import sys

from .main import main

sys.exit(main())
