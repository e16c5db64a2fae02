"""Tables of records taken in row by row, each as `POST /intake/{mapping}` takes a record: from the command line, or from a watched folder."""

from adapter.drop.files import Busy, Files
from adapter.drop.folder import Folder
from adapter.drop.rows import House, Line, Rows, Sending, client_of, sending
from adapter.drop.run import Run, Tally, tried

__all__ = ["Busy", "Files", "Folder", "House", "Line", "Rows", "Run", "Sending", "Tally", "client_of", "sending", "tried"]
