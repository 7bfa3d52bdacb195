"""``python -m oncrpc.cli.rpcsnoop``."""

import sys

from oncrpc.cli.rpcsnoop import main

sys.exit(main())
