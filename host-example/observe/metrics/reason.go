package metrics

import (
	"slices"

	"github.com/tom-worker/credential-provider/host-example/observe/audit"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
	"github.com/tom-worker/credential-provider/shared/credential"
)

// reasons are those that a label may have.
type reasons []credential.Reason

// contractReasons are the reasons for which no credential is handed out, jobReasons those for which jobs fail.
var (
	contractReasons = reasons(credential.Reasons())
	jobReasons      = append(append(reasons(credential.Reasons()), job.Reasons()...), audit.Failed)
)

// label is a reason as a label's value.
func (known reasons) label(reason credential.Reason) string {
	if slices.Contains(known, reason) {
		return string(reason)
	}
	return string(credential.Internal)
}
