package attach

import "io/fs"

// private leaves it to the access control list of the temporary directory, which is the user's own.
func private(fs.FileInfo) error { return nil }
