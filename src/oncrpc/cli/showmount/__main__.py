"""``python -m oncrpc.cli.showmount``."""

import sys

from oncrpc.cli.showmount import main

sys.exit(main())
