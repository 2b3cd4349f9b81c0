package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// HealthService is the name under which a provider's health is asked for.
const HealthService = "plugin"

// Bounds of a page.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

// PageSize returns the number of credentials of a page for the one that a request has.
func PageSize(asked int32) (int, error) {
	switch {
	case asked < 0:
		return 0, credential.Errorf(credential.RequestInvalid, "page size %d is negative", asked)
	case asked == 0:
		return defaultPageSize, nil
	}
	return min(int(asked), maxPageSize), nil
}

// CheckID refuses ids that no credential has.
func CheckID(id string) error {
	switch {
	case id == "":
		return credential.Errorf(credential.CredentialIDInvalid, "the credential id is empty").With("problem", "empty")
	case len(id) > credential.MaxIDLength:
		return credential.Errorf(credential.CredentialIDInvalid, "the credential id has %d bytes; at most %d are allowed", len(id), credential.MaxIDLength).With("problem", "too long")
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return credential.Errorf(credential.CredentialIDInvalid, "the credential id %+q holds control characters", id).With("problem", "control characters")
	}
	return nil
}
