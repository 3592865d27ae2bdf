"""Help for applications that test their own use of tornado_realtime."""
