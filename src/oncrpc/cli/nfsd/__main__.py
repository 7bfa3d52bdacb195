"""``python -m oncrpc.cli.nfsd``."""

import sys

from oncrpc.cli.nfsd import main

sys.exit(main())
