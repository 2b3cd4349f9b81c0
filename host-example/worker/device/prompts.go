package device

import (
	"errors"
	"net"
	"regexp"
	"strings"
	"unicode"

	"github.com/tom-worker/credential-provider/host-example/worker/device/terminal"
)

// Answer is what a job answers to a device's question, at login or of a command.
type Answer = terminal.Answer

// changes are prompts for a new password, which come where the old one has expired.
var changes = regexp.MustCompile(`(?i)\b(new|retype|re-?enter|expire[sd]?|change)\b|\bcurrent\b.*password`)

// questions answers what a device asks with keyboard-interactive. Only a hidden prompt that asks for the password gets that,
// once; others get the job's answers. Where one of the prompts has no answer, none is answered.
func (a *attempt) questions(name, instruction string, prompts []string, echo []bool) ([]string, error) {
	given := make([]string, len(prompts))
	asks := -1 // the prompt for the password
	for i, prompt := range prompts {
		if answer := a.jobsAnswer(prompt); answer != nil {
			given[i] = strings.TrimRight(answer.Send, "\r\n")
			continue
		}
		asked := prompt
		if !strings.ContainsFunc(prompt, unicode.IsLetter) {
			asked = name + " " + instruction + " " + prompt
		}
		switch {
		case a.spent && terminal.AsksAgain(asked, a.names()...):
			return nil, errSpent
		case echo[i] && terminal.AsksPassword(asked, a.names()...):
			a.prompt = "asks for the password with " + quoteScreen(prompt) + ", and would show it"
		case !terminal.AsksPassword(asked, a.names()...):
			a.prompt = "asks " + quoteScreen(strings.TrimSpace(prompt)) + ", which isn't a prompt for the password alone"
			if changes.MatchString(asked) {
				a.prompt += "; the password may have expired"
			}
		case asks >= 0:
			a.prompt = "asks for the password twice at once, with " + quoteScreen(prompts[asks]) + " and " + quoteScreen(prompt)
		default:
			asks = i
			continue
		}
		return nil, errUnanswered
	}
	if asks >= 0 {
		password, err := a.spend()
		if err != nil {
			return nil, err
		}
		given[asks] = password
	}
	return given, nil
}

var errUnanswered = errors.New("a prompt has no answer")

func (a *attempt) jobsAnswer(prompt string) *Answer {
	for i := range a.target.Answers {
		if a.target.Answers[i].Prompt.MatchString(prompt) {
			return &a.target.Answers[i]
		}
	}
	return nil
}

// names are words of a prompt that say who is asked.
func (a *attempt) names() []string {
	host, _, err := net.SplitHostPort(a.target.Address)
	if err != nil {
		host = a.target.Address
	}
	first, _, _ := strings.Cut(host, ".")
	return []string{a.username, host, first}
}
