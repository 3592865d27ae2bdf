"""``reverse_proxy`` at run time: who is asked, over which connection, and how bytes travel both ways."""
