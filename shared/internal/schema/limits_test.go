package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// settings is an object with n settings, each described by the text.
func settings(n int, text string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"s%d":{%s}`, i, text))
	}
	return object(strings.Join(all, ","))
}

// Whatever a schema has too much of, it is refused, and soon.
func TestLimits(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, test := range map[string]struct{ schema, says string }{
		"settings":                    {settings(maxSettings+1, `"type":"string"`), "settings, more than 256"},
		"nine thousand settings":      {settings(9000, `"type":"string"`), "settings, more than 256"},
		"a long name":                 {object(`"` + strings.Repeat("n", maxName+1) + `":{"type":"string"}`), "name of a setting"},
		"a long description":          {object(`"a":{"type":"string","description":"` + strings.Repeat("d", maxDescription+1) + `"}`), "description"},
		"a long enum":                 {object(`"a":{"type":"string","enum":["x"` + strings.Repeat(`,"x"`, maxEnum) + `]}`), "enum"},
		"a long pattern":              {object(`"a":{"type":"string","pattern":"` + strings.Repeat("p", maxPattern+1) + `"}`), "pattern has more"},
		"a repetition":                {settings(50, `"type":"string","pattern":"^[ab]{1000}$"`), "repeats too much"},
		"repetitions in each other":   {settings(200, `"type":"string","pattern":"^(([ab]{9}){10}){10}$"`), "repeats too much"},
		"repetitions in items":        {settings(50, `"type":"array","items":{"type":"string","pattern":"^[ab]{1000}$"}`), "repeats too much"},
		"a repetition from":           {settings(50, `"type":"string","pattern":"^(a|bc){900,}$"`), "repeats too much"},
		"many repetitions one by one": {settings(20, `"type":"string","pattern":"`+strings.Repeat("a{999}", 4)+`"`), "repeats too much"},
		"a deep default":              {object(`"a":{"type":"string","default":` + deep(5000) + `}`), "nested more than"},
		"a deep example":              {object(`"a":{"type":"string","examples":` + deep(maxDepth) + `}`), "nested more than"},
		"deep extensions":             {`{"type":"object","x-y":` + deep(100_000) + `}`, "nested more than"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse(test.schema)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v doesn't say %q", err, test.says)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// What providers do have is within the limits.
func TestWithinLimits(t *testing.T) {
	for name, text := range map[string]string{
		"as many settings as may be": settings(maxSettings, `"type":"string","description":"A setting."`),
		"durations":                  settings(100, `"type":"string","pattern":"`+strings.ReplaceAll(DurationPattern, `\`, `\\`)+`"`),
		"one repetition":             object(`"a":{"type":"string","pattern":"^[ab]{1000}$"}`),
		"a long choice":              object(`"a":{"type":"string","enum":["x"` + strings.Repeat(`,"x"`, maxEnum-1) + `]}`),
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
