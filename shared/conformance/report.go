package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/tom-worker/credential-provider/shared/text"
)

// Report is the outcome of a run.
type Report struct {
	// Plugin is the path of the executable, or the address that was attached to.
	Plugin string `json:"plugin"`
	// Name and Version are what the provider says of itself; empty if it said nothing.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Results are in the order in which the checks were made.
	Results []Result `json:"results"`
	// Warnings say what the fixtures are too poor to prove, and what to add to them.
	Warnings []string `json:"warnings,omitempty"`
}

// Conforms reports whether no MUST failed or was blocked. Those that were skipped don't count against the provider.
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

// failed are the ids of the failed checks; blocked checks follow from them.
func (r *Report) failed() []string {
	var ids []string
	for _, result := range r.Results {
		if result.Verdict == Failed {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

// summary is the outcome in one line.
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

// WriteText writes a line for each check, with the reason under each that failed, and a summary.
func (r *Report) WriteText(w io.Writer) error {
	for _, result := range r.Results {
		if err := result.WriteText(w); err != nil {
			return err
		}
	}
	return r.WriteSummary(w)
}

// WriteText writes a result as a line, with what was found and the reason under it.
func (r Result) WriteText(w io.Writer) error {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%-18s %-6s %-7s %6.2fs  %s\n", r.ID, r.Level, r.Verdict, r.Duration.Seconds(), oneLine(r.Title))
	if r.Detail != "" {
		for line := range strings.SplitSeq(r.Detail, "\n") {
			_, _ = fmt.Fprintf(&out, "    %s\n", oneLine(line))
		}
	}
	if r.Verdict == Failed {
		_, _ = fmt.Fprintf(&out, "    %s\n", r.Reason)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// WriteSummary writes the warnings and the outcome, after the results.
func (r *Report) WriteSummary(w io.Writer) error {
	var out strings.Builder
	for n, warning := range r.Warnings {
		if n == 0 {
			out.WriteString("\n")
		}
		_, _ = fmt.Fprintf(&out, "warning: %s\n", oneLine(warning))
	}
	_, _ = fmt.Fprintf(&out, "\n%s\n", oneLine(r.summary()))
	if failed := r.failed(); len(failed) > 0 {
		_, _ = fmt.Fprintf(&out, "failed: %s\n", strings.Join(failed, " "))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// oneLine shows a string that may come from a provider's names.
func oneLine(s string) string { return text.Line(s) }

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
