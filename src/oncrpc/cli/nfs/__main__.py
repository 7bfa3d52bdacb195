"""``python -m oncrpc.cli.nfs``."""

import sys

from oncrpc.cli.nfs import main

sys.exit(main())
