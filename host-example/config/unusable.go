package config

import (
	"errors"
	"io/fs"
)

// Unusable is the error of a setting that turned out wrong when it was used.
func (c *Config) Unusable(key string, err error) error {
	problem := Problem{Place: c.Place(key), Key: key, Text: err.Error()}
	switch {
	case key == "audit_log":
		problem.Remedy = "make its directory, and let the worker's user write to the file"
	case errors.Is(err, fs.ErrPermission):
		problem.Remedy = "let the worker's user read it"
	case key == "ssh_known_hosts":
		problem.Remedy = "make the file with ssh-keyscan, and compare what it finds with the devices' own keys"
	case key == "login_guard_key_file":
		problem.Remedy = "make it once, for all workers that share the Redis: head -c 32 /dev/urandom >guard.key; chmod 600 guard.key"
	}
	return &Error{Problems: []Problem{problem}}
}
