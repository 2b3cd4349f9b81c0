package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// decode sorts the merged settings into the worker's own and those of providers, and fills the fields with the former.
func (c *Config) decode(merged layer, r *reader) {
	c.values, c.provider = map[string]entry{}, map[string]entry{}
	for key, e := range merged {
		if name, ok := strings.CutPrefix(key, pluginPrefix); ok {
			c.provider[name] = e
		} else {
			c.values[key] = e
		}
	}
	fields := reflect.ValueOf(c).Elem()
	for i := range fields.NumField() {
		key, isSetting := fields.Type().Field(i).Tag.Lookup("setting")
		if !isSetting {
			continue
		}
		e := c.values[key]
		value, err := convert(e, fields.Field(i).Interface())
		if err != nil {
			r.problem(e.Place, e.Key, "%v", err)
			continue
		}
		fields.Field(i).Set(reflect.ValueOf(value))
	}
}

// convert gives an entry the type of a field.
func convert(e entry, field any) (any, error) {
	switch field.(type) {
	case string:
		if text, ok := e.Value.(string); ok {
			return text, nil
		}
		return nil, fmt.Errorf("must be a string, not %s; put it in quotes", shown(e.Value))
	case int:
		return toInt(e)
	case bool:
		return toBool(e)
	case time.Duration:
		return toDuration(e)
	case credential.Redacted:
		if text, ok := e.Value.(string); ok {
			return credential.NewRedacted(text), nil
		}
		return nil, errors.New("must be a string; put it in quotes") // the value is a secret
	case []guard.Budget:
		return toBudgets(e)
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
	refused := fmt.Errorf("must be a list of strings, not %s", shown(e.Value))
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
				return nil, fmt.Errorf("item %d must be a string, not %s", i+1, shown(item))
			}
			list[i] = text
		}
		return list, nil
	}
	return nil, refused
}

// toBudgets takes a number, or a list of numbers by credential id.
func toBudgets(e entry) ([]guard.Budget, error) {
	if number, ok := e.Value.(int); ok {
		e.Value = strconv.Itoa(number)
	}
	list, err := toList(e)
	if err != nil {
		return nil, errors.New("must be a number from 0 to 1000, or a list of `glob=number` by credential id, such as [\"lab_*=0\", \"*=2\"], not " + shown(e.Value))
	}
	budgets, err := guard.ParseBudgets(list)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "login_lockout_budget: "))
	}
	return budgets, nil
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
