package config

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// envFile reads the env file: lines of NAME=value, of which those that start with TOM_WORKER_ are settings.
//
// It is read as python-dotenv reads it for the older worker: "export" may come first; a value stands in single quotes, in
// double quotes with \n, \r, \t, \\ and \" , or without quotes up to the end of the line or a # after a space; the last
// of two lines for one name counts. There is no expansion: ${NAME} outside of single quotes is refused rather than
// taken as it is. The libraries for such files were no choice, since they change secrets without a word ("pa$word" loses
// its end in one, "pa#word" in another) or quote them in their errors.
func (r *reader) envFile(path string) layer {
	l := layer{}
	if path == "" {
		return l
	}
	text, err := readFile(path)
	if err == nil && !utf8.Valid(text) {
		err = errors.New("it isn't UTF-8")
	}
	if err != nil {
		r.problem(Place{Name: path}, "", "the env file (TOM_WORKER_ENV_FILE) can't be read: %s", reason(err))
		return l
	}
	rest := strings.TrimPrefix(string(text), "\uFEFF")
	rest = strings.ReplaceAll(rest, "\r\n", "\n")
	for line := 1; rest != ""; {
		statement, after := cutStatement(rest)
		r.statement(l, Place{path, line}, statement)
		line += strings.Count(rest[:len(rest)-len(after)], "\n")
		rest = after
	}
	return l
}

// cutStatement splits off one line, or more of them if the value is in quotes and goes on.
func cutStatement(text string) (statement, rest string) {
	line, rest, _ := strings.Cut(text, "\n")
	_, value, _ := strings.Cut(line, "=")
	value = strings.TrimLeft(value, " \t")
	if strings.HasPrefix(strings.TrimSpace(line), "#") || value == "" || (value[0] != '"' && value[0] != '\'') {
		return line, rest
	}
	start := len(line) - len(value)
	end := closingQuote(text[start:])
	if end < 0 {
		return line, rest // the statement says what is wrong
	}
	tail, rest, _ := strings.Cut(text[start+end:], "\n")
	return text[:start+end] + tail, rest
}

// closingQuote is the index after the quote that closes the one at the start of text, or -1.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return -1
}

// statement reads one NAME=value. What it says about a wrong one has no part of the value in it.
func (r *reader) statement(l layer, place Place, statement string) {
	statement = strings.TrimSpace(statement)
	if statement == "" || statement[0] == '#' {
		return
	}
	name, value, assigned := strings.Cut(statement, "=")
	if rest, ok := strings.CutPrefix(name, "export"); ok && strings.TrimLeft(rest, " \t") != rest {
		name = rest
	}
	name = strings.TrimSpace(name)
	key, ours := variableKey(name)
	if !assigned {
		if ours || strings.ContainsAny(name, " \t:") {
			r.problem(place, "", "not of the form NAME=value")
		}
		return
	}
	if !ours {
		return
	}
	value, problem := envValue(strings.TrimSpace(value))
	switch {
	case problem != "":
		r.problem(place, keyName(key), "%s", problem)
	case key == configFileKey || key == envFileKey:
		r.warn(place, key, "without effect in this file; set %s in the environment", VariableName(key))
	case known(key):
		l.put(entry{Key: key, Value: value, Text: true, Place: place})
	default:
		text, _ := unknownKey(key)
		r.warn(place, keyName(key), "%s", text)
	}
}

var (
	singleQuoted = strings.NewReplacer(`\\`, `\`, `\'`, `'`)
	doubleQuoted = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\n`, "\n", `\r`, "\r", `\t`, "\t")
)

// envValue takes quotes, escapes and comments off a value, or says what is wrong with it.
func envValue(text string) (value, problem string) {
	const expansion = "${...} isn't expanded here; write the value itself, or put it in single quotes if that is the value"
	if text == "" || text[0] == '#' {
		return "", ""
	}
	if text[0] != '"' && text[0] != '\'' {
		for i := range text {
			if text[i] == '#' && (text[i-1] == ' ' || text[i-1] == '\t') {
				text = strings.TrimRight(text[:i], " \t")
				break
			}
		}
		if strings.Contains(text, "${") {
			return "", expansion
		}
		return text, ""
	}
	end := closingQuote(text)
	if end < 0 {
		return "", "the quote isn't closed"
	}
	if tail := strings.TrimSpace(text[end:]); tail != "" && tail[0] != '#' {
		return "", "there is more after the closing quote"
	}
	inner := text[1 : end-1]
	if text[0] == '\'' {
		return singleQuoted.Replace(inner), ""
	}
	if strings.Contains(inner, "${") {
		return "", expansion
	}
	return doubleQuoted.Replace(inner), ""
}
