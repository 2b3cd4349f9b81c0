package config

import "strings"

// variables are the worker's environment variables.
type variables struct {
	layer      layer
	configFile string // TOM_WORKER_CONFIG_FILE
	envFile    string // TOM_WORKER_ENV_FILE
}

// These two are not settings: they say where settings are.
const (
	configFileKey = "config_file"
	envFileKey    = "env_file"
)

// variables reads TOM_WORKER_* in any case.
func (r *reader) variables(environ []string) variables {
	v := variables{layer: layer{}}
	values := map[string]string{}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		key, ok := variableKey(name)
		if !ok {
			continue
		}
		place := Place{Name: "environment variable " + name}
		if other, twice := values[key]; twice {
			if other != value {
				r.problem(place, key, "set more than once, in names that differ in case only; unset one of them")
			}
			continue
		}
		values[key] = value
		switch {
		case key == configFileKey:
			v.configFile = value
		case key == envFileKey:
			v.envFile = value
		case known(key):
			v.layer.put(entry{Key: key, Value: value, Text: true, Place: place})
		default:
			// Only where there is something to suggest: a Kubernetes service called tom-worker, for example, makes
			// TOM_WORKER_SERVICE_HOST and more of the kind.
			if text, suggested := unknownKey(key); suggested {
				r.warn(place, keyName(key), "%s", text)
			}
		}
	}
	return v
}

// variableKey is the key that a variable sets.
func variableKey(name string) (string, bool) {
	return strings.CutPrefix(strings.ToLower(name), strings.ToLower(envPrefix))
}

// VariableName is the environment variable that sets a key.
func VariableName(key string) string { return envPrefix + strings.ToUpper(key) }

// flagName is the flag that sets a key.
func flagName(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") }
