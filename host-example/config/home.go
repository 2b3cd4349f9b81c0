package config

import (
	"os"
	"path/filepath"
	"strings"
)

// AtHome puts the user's home in the place of the ~ with which the path in a setting may start.
func (c *Config) AtHome(key, path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", &Error{Problems: []Problem{{
			Place: c.Place(key), Key: key, Text: "its ~ stands for no directory: " + err.Error(),
			Remedy: "set " + key + " to the file's whole path, or HOME in the worker's environment",
		}}}
	}
	return filepath.Join(home, rest), nil
}
