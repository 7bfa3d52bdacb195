"""``python -m oncrpc.cli.rpcinfo``."""

import sys

from oncrpc.cli.rpcinfo import main

sys.exit(main())
