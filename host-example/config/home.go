package config

import (
	"os"
	"path/filepath"
	"strings"
)

// AtHome puts the user's home in the place of the ~ with which a setting's path may start. It is an error if nothing says which
// directory that is.
func AtHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, rest), nil
}
