"""Parts of the speed table of the engines, one file each."""
