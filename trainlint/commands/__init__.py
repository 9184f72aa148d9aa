"""What each subcommand does; imported only when it is called, so that `--help` is quick."""
