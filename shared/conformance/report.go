package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Report is the outcome of a run.
type Report struct {
	// Plugin is the path of the executable.
	Plugin string `json:"plugin"`
	// Name and Version are what the provider says of itself; empty if it said nothing.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Results are in the order in which the checks were made.
	Results []Result `json:"results"`
}

// Conforms says whether no MUST failed or was blocked. Those that were skipped don't count against the provider.
func (r *Report) Conforms() bool {
	for _, result := range r.Results {
		if result.Level == Must && (result.Verdict == Failed || result.Verdict == Blocked) {
			return false
		}
	}
	return true
}

// Count is how many checks had the verdict.
func (r *Report) Count(verdict Verdict) int {
	count := 0
	for _, result := range r.Results {
		if result.Verdict == verdict {
			count++
		}
	}
	return count
}

// failed are the ids of the checks to begin with: what is blocked follows them.
func (r *Report) failed() []string {
	var ids []string
	for _, result := range r.Results {
		if result.Verdict == Failed {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

// summary is the outcome in a line for people.
func (r *Report) summary() string {
	conforms := "conforms to the contract"
	if !r.Conforms() {
		conforms = "does not conform to the contract"
	}
	name := strings.TrimSpace(r.Name + " " + r.Version)
	if name == "" {
		name = "the provider"
	}
	return fmt.Sprintf("%s %s: %d passed, %d failed, %d skipped, %d blocked", name, conforms,
		r.Count(Passed), r.Count(Failed), r.Count(Skipped), r.Count(Blocked))
}

// WriteText writes a table for people, with the reason under each check that failed.
func (r *Report) WriteText(w io.Writer) error {
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, result := range r.Results {
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", result.ID, result.Level, result.Verdict, oneLine(result.Title))
	}
	_ = columns.Flush() // into memory
	for n, line := range strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		result := r.Results[n]
		if result.Detail != "" {
			for line := range strings.SplitSeq(result.Detail, "\n") {
				_, _ = fmt.Fprintf(w, "    %s\n", oneLine(line))
			}
		}
		if result.Verdict == Failed {
			_, _ = fmt.Fprintf(w, "    %s\n", result.Reason)
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", oneLine(r.summary()))
	if failed := r.failed(); err == nil && len(failed) > 0 {
		_, err = fmt.Fprintf(w, "failed: %s\n", strings.Join(failed, " "))
	}
	return err
}

// oneLine shows a text that may come from a provider's names.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	type document struct {
		Report
		Conforms bool `json:"conforms"`
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document{*r, r.Conforms()})
}

// The part of JUnit's XML that continuous integration systems read.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string    `xml:"classname,attr"`
		Name    string    `xml:"name,attr"`
		Seconds string    `xml:"time,attr"`
		Failure *junitWhy `xml:"failure"`
		Skipped *junitWhy `xml:"skipped"`
		Output  string    `xml:"system-out,omitempty"`
	}
	junitWhy struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report in JUnit's form. A SHOULD that isn't met is not a failure there: its detail is output.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "conformance " + r.Name, Tests: len(r.Results)}
	for _, result := range r.Results {
		c := junitCase{Class: "conformance", Name: result.ID + " " + result.Title, Seconds: fmt.Sprintf("%.3f", result.Duration.Seconds())}
		why := &junitWhy{Message: result.Detail, Text: fmt.Sprintf("%s %s: %s", result.Level, result.Verdict, result.Reason)}
		switch {
		case result.Verdict == Skipped || result.Verdict == Blocked && result.Level == Should:
			c.Skipped = why
			suite.Skipped++
		case result.Verdict != Passed && result.Level == Must:
			c.Failure = why
			suite.Failures++
		case result.Verdict != Passed:
			c.Output = "SHOULD: " + result.Detail
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
