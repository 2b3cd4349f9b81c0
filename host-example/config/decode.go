package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/hashicorp/go-hclog"
	"github.com/knadh/koanf/v2"
)

// decode sorts the merged settings into the worker's own and those of providers, and fills the fields with the former.
func (c *Config) decode(merged *koanf.Koanf, r *reader) {
	c.values, c.provider = map[string]entry{}, map[string]entry{}
	raw := merged.Raw()
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		e, isEntry := raw[key].(entry)
		if name, ok := strings.CutPrefix(key, pluginPrefix); ok && isEntry {
			c.provider[name] = e
		} else if isEntry {
			c.values[key] = e
		}
	}
	// The hook reports problems itself, since it knows their places; mapstructure sees only values of the right type.
	hook := func(from, to reflect.Value) (any, error) {
		e, ok := from.Interface().(entry)
		if !ok {
			return from.Interface(), nil
		}
		value, err := convert(e, to.Interface())
		if err != nil {
			r.problem(e.Place, e.Key, "%v", err)
			return to.Interface(), nil
		}
		return value, nil
	}
	conf := koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{DecodeHook: hook}}
	if err := merged.UnmarshalWithConf("", c, conf); err != nil {
		r.problem(Place{}, "", "the settings can't be decoded: %v", err)
	}
}

// convert gives an entry the type of a field.
func convert(e entry, field any) (any, error) {
	switch field.(type) {
	case string:
		if text, ok := e.Value.(string); ok {
			return text, nil
		}
		return nil, fmt.Errorf("must be a text, not %s; put it in quotes", shown(e.Value))
	case int:
		return toInt(e)
	case bool:
		return toBool(e)
	case time.Duration:
		return toDuration(e)
	case []string:
		return toList(e)
	case hclog.Level:
		return toLevel(e)
	default:
		return nil, fmt.Errorf("no conversion to %T", field)
	}
}

func toInt(e entry) (int, error) {
	switch value := e.Value.(type) {
	case int:
		return value, nil
	case string:
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && e.Text {
			return n, nil
		}
	}
	return 0, fmt.Errorf("must be a whole number, not %s", shown(e.Value))
}

func toBool(e entry) (bool, error) {
	switch value := e.Value.(type) {
	case bool:
		return value, nil
	case string:
		switch text := strings.ToLower(strings.TrimSpace(value)); {
		case !e.Text:
		case text == "true", text == "1", text == "yes", text == "on":
			return true, nil
		case text == "false", text == "0", text == "no", text == "off":
			return false, nil
		}
	}
	return false, fmt.Errorf("must be true or false, not %s", shown(e.Value))
}

func toDuration(e entry) (time.Duration, error) {
	refused := fmt.Errorf(`must be a duration such as "30s", "5m" or "1m30s", not %s`, shown(e.Value))
	var seconds float64
	switch value := e.Value.(type) {
	case string:
		text := strings.TrimSpace(value)
		if d, err := time.ParseDuration(text); err == nil {
			return d, nil
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !e.Text {
			return 0, refused
		}
		seconds = n
	case int:
		seconds = float64(value)
	case float64:
		seconds = value
	default:
		return 0, refused
	}
	if !(math.Abs(seconds) < math.MaxInt64/float64(time.Second)) { // NaN too
		return 0, refused
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// toList takes a list, or a text with commas, or from the environment a JSON list. Unset is nil; an empty list isn't.
func toList(e entry) ([]string, error) {
	refused := fmt.Errorf("must be a list of texts, not %s", shown(e.Value))
	switch value := e.Value.(type) {
	case string:
		list := []string{}
		text := strings.TrimSpace(value)
		if strings.HasPrefix(text, "[") {
			if json.Unmarshal([]byte(text), &list) != nil {
				return nil, refused
			}
			return list, nil
		}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		if len(list) == 0 {
			return nil, nil
		}
		return list, nil
	case []any:
		list := make([]string, len(value))
		for i, item := range value {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("item %d must be a text, not %s", i+1, shown(item))
			}
			list[i] = text
		}
		return list, nil
	}
	return nil, refused
}

// levels are hclog's names, Python's, and Python's numbers, which the older worker takes as well.
var levels = map[string]hclog.Level{
	"trace": hclog.Trace,
	"debug": hclog.Debug, "10": hclog.Debug,
	"info": hclog.Info, "20": hclog.Info,
	"warning": hclog.Warn, "warn": hclog.Warn, "30": hclog.Warn,
	"error": hclog.Error, "40": hclog.Error,
	"critical": hclog.Error, "fatal": hclog.Error, "50": hclog.Error,
	"off": hclog.Off,
}

func toLevel(e entry) (hclog.Level, error) {
	if level, ok := levels[strings.ToLower(strings.TrimSpace(fmt.Sprint(e.Value)))]; ok {
		return level, nil
	}
	return hclog.NoLevel, fmt.Errorf("must be trace, debug, info, warning, error, critical, off or one of 10, 20, 30, 40, 50, not %s", shown(e.Value))
}

// shown is a value in an error message. Only the worker's own settings come here, and none of them is a secret.
func shown(value any) string {
	switch v := value.(type) {
	case string:
		return quoted(v)
	case []any:
		return "a list"
	case map[string]any, map[any]any:
		return "a mapping"
	default:
		return fmt.Sprint(v)
	}
}
