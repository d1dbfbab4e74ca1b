"""`WatchCallback` for the trainers of other libraries; each file needs the library it is named after."""
