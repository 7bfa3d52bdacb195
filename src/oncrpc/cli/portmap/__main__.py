"""``python -m oncrpc.cli.portmap``."""

import sys

from oncrpc.cli.portmap import main

sys.exit(main())
