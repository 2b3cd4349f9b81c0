package credential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestReasons(t *testing.T) {
	transient := map[Reason]bool{Throttled: true, BackendUnavailable: true, DeadlineExceeded: true, ProviderCrashed: true, ProviderUnresponsive: true}
	all := map[Reason]string{}
	for reason, code := range providerCodes {
		all[reason] = code
		if !reason.FromProvider() {
			t.Errorf("%s is not a provider's", reason)
		}
	}
	for reason, code := range hostCodes {
		if _, twice := all[reason]; twice {
			t.Errorf("%s is in both tables", reason)
		}
		all[reason] = code
		if reason.FromProvider() {
			t.Errorf("%s is a provider's", reason)
		}
	}
	if len(all) != 28 {
		t.Errorf("there are %d reasons", len(all))
	}
	if listed := Reasons(); len(listed) != len(all) || !slices.IsSorted(listed) {
		t.Errorf("listed are %v", listed)
	}
	for reason, code := range all {
		if reason.Code() != code || code == "" {
			t.Errorf("%s has code %s, not %s", reason, reason.Code(), code)
		}
		if reason.Transient() != transient[reason] {
			t.Errorf("%s transient: %v", reason, reason.Transient())
		}
		err := Errorf(reason, "about %s", "it")
		for how, e := range map[string]error{
			"itself": err, "wrapped": fmt.Errorf("outer: %w", err), "joined": errors.Join(errors.New("x"), err),
			"bare": reason, "bare and wrapped": fmt.Errorf("credential lab: %w", reason),
		} {
			if !errors.Is(e, reason) || ReasonOf(e) != reason {
				t.Errorf("%s %s: errors.Is %v, ReasonOf %s", reason, how, errors.Is(e, reason), ReasonOf(e))
			}
			if other := Reason("OTHER"); errors.Is(e, other) {
				t.Errorf("%s %s is also %s", reason, how, other)
			}
		}
		if reason.Error() != string(reason) || err.Error() != "about it" {
			t.Errorf("%s prints as %q, its error as %q", reason, reason.Error(), err.Error())
		}
	}
	if unknown := Reason("FROM_THE_FUTURE"); unknown.Code() != "INTERNAL" || unknown.FromProvider() || unknown.Transient() {
		t.Error("an unknown reason")
	}
}

func TestReasonOf(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want Reason
	}{
		"nil":                {nil, ""},
		"plain":              {errors.New("x"), Internal},
		"context":            {context.Canceled, Internal},
		"the outer one":      {Errorf(AccessDenied, "x: %w", Errorf(Throttled, "y")), AccessDenied},
		"an error before it": {Errorf(AccessDenied, "x: %w", Throttled), AccessDenied},
	} {
		if got := ReasonOf(test.err); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestErrorfKeepsItsCauses(t *testing.T) {
	first, second := errors.New("first"), context.DeadlineExceeded
	one := Errorf(BackendUnavailable, "reading: %w", first)
	if one.Message != "reading: first" || one.Unwrap() != first || !errors.Is(one, first) {
		t.Errorf("%q, cause %v", one.Message, one.Cause)
	}
	two := Errorf(BackendUnavailable, "reading: %w, %w", first, second)
	if !errors.Is(two, first) || !errors.Is(two, second) || !errors.Is(two, BackendUnavailable) || two.Message != "reading: first, context deadline exceeded" {
		t.Errorf("%q, cause %v", two.Message, two.Cause)
	}
	if none := Errorf(Internal, "reading"); none.Cause != nil {
		t.Errorf("cause %v out of nothing", none.Cause)
	}
}

func TestErrorText(t *testing.T) {
	err := &Error{Reason: SettingsInvalid, Message: "the settings are refused", Cause: errors.New("hidden cause"), Violations: []Violation{
		{Setting: "region", Problem: "must be a string"}, {Setting: "x", Problem: "no such setting"},
	}}
	if got := err.Error(); got != "the settings are refused: region: must be a string; x: no such setting" {
		t.Errorf("%q", got)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), "hidden cause") {
		t.Error("the cause is printed")
	}
}

func TestWith(t *testing.T) {
	err := Errorf(AccessDenied, "no").With("action", "read").With("resource", "").WithHelp("ask %s", "them").WithHelp("100%% sure")
	if len(err.Metadata) != 1 || err.Metadata["action"] != "read" || strings.Join(err.Help, "|") != "ask them|100% sure" {
		t.Errorf("%v %v", err.Metadata, err.Help)
	}
}

func TestCopiesOfOneErrorAreIndependent(t *testing.T) {
	shared := Errorf(AccessDenied, "no").With("action", "read").WithHelp("first").WithHelp("second").WithHelp("third")
	left, right := shared.With("side", "left").WithHelp("left"), shared.WithHelp("right").With("side", "right")
	if len(shared.Help) != 3 || len(shared.Metadata) != 1 {
		t.Errorf("the shared error has become %v %v", shared.Help, shared.Metadata)
	}
	for side, e := range map[string]*Error{"left": left, "right": right} {
		if len(e.Help) != 4 || e.Help[3] != side || len(e.Metadata) != 2 || e.Metadata["side"] != side {
			t.Errorf("%s: %v %v", side, e.Help, e.Metadata)
		}
	}
	empty := left.With("side", "")
	empty.Metadata["side"] = "changed"
	if left.Metadata["side"] != "left" {
		t.Error("a copy without new metadata shares its map")
	}
}
