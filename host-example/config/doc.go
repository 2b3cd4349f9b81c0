// Package config reads the worker's settings: from the environment, an env file, a YAML file and defaults, in this order
// of precedence, with the names of the Tom worker.
//
//	cfg, err := config.Load(config.Source{Environ: os.Environ()})
//	for _, warning := range cfg.Warnings { ... }
//	if err != nil {
//		return err // *config.Error: every problem, each with where it is
//	}
//	settings, warnings := cfg.ProviderSettings(known)
//
// # Rules
//
// A setting has the same name everywhere: concurrency in the YAML file is TOM_WORKER_CONCURRENCY in the env file and in
// the environment. Case doesn't matter. A provider's settings are plugin_<provider>_<setting>; this package finds them and
// says where each one comes from, and leaves their meaning to the provider's own schema.
//
// An empty text, or null, puts a setting back to its default, whatever stands in a source of lower precedence. (For a
// provider's settings the schema decides: there may be one for which empty means something.)
//
// Durations are strings such as "30s", "5m" or "1m30s". A plain number is taken as seconds, as everywhere else in a Tom
// worker's file. log_level takes names (debug, info, warning, error, critical) and Python's numbers (10 to 50).
//
// Relative paths start at the working directory.
//
// # Libraries
//
// A layer is a map by key, so that merging is copying, and each value keeps its source. (koanf and mapstructure did no more
// here than that; viper splits keys at dots and forgets the source.) YAML is parsed into nodes, which know their lines. The env
// file has a small reader in this package, see envfile.go for the reason.
package config
