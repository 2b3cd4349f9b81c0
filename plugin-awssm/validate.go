package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tom-worker/credential-provider/plugin-awssm/internal/awscreds"
	"github.com/tom-worker/credential-provider/plugin-awssm/internal/transport"
	"github.com/tom-worker/credential-provider/shared/credential"
)

const (
	// checkTimeout bounds each check, so that one without an answer holds up no other.
	checkTimeout = 4 * time.Second
	// maxSkew is by how much the clock may be off before that is worth a warning. AWS refuses at five minutes.
	maxSkew = time.Minute
)

// The checks, by the names that hosts see. They don't change.
const (
	checkConfiguration = "configuration"
	checkCredentials   = "credentials"
	checkIdentity      = "identity"
	checkClock         = "clock"
	checkRead          = "read"
	checkList          = "list"
	checkFailover      = "failover" // only with failover_regions
	checkCredential    = "credential"
)

// Validate tries what reading needs, by every route. None of the checks needs more permissions than reading does; where AWS
// denies a check that reading can do without, that is a warning. So is a route that fails: the others can be read by.
func (p *awsProvider) Validate(ctx context.Context, id string) (credential.Report, error) { //nolint:unparam // provider.Validator has the error
	plain := p.plain()
	reports := make([]credential.Check, len(p.routes)-1)
	var all sync.WaitGroup
	for i, r := range p.routes[:len(p.routes)-1] {
		all.Go(func() { reports[i] = p.checkRoute(ctx, r) })
	}
	var report credential.Report
	if c, err := plain.connect(ctx); err != nil {
		report = p.unconfigured(err, id)
	} else {
		report = p.checkPlain(ctx, &validation{provider: p, route: plain, connection: c}, id)
	}
	all.Wait()
	report.Checks = append(report.Checks, reports...)
	return report, nil
}

// checkPlain makes the checks of the plain settings.
func (p *awsProvider) checkPlain(ctx context.Context, v *validation, id string) credential.Report {
	c := v.connection
	var credentials, identity, clock, read, list, failover, one credential.Check
	steps := []func(context.Context){
		func(ctx context.Context) { credentials = v.credentials(ctx) },
		func(ctx context.Context) { identity = v.identity(ctx) },
		func(ctx context.Context) { read, clock = v.read(ctx) },
		func(ctx context.Context) { list = v.list(ctx) },
	}
	if len(c.regions) > 1 {
		steps = append(steps, func(ctx context.Context) { failover = v.failover(ctx, id) })
	}
	if id != "" {
		steps = append(steps, func(ctx context.Context) { one = v.credential(ctx, id) })
	}
	sideBySide(ctx, steps)

	report := credential.Report{Checks: []credential.Check{v.configuration(), credentials, identity, clock, read, list}}
	if len(c.regions) > 1 {
		report.Checks = append(report.Checks, failover)
	}
	if id != "" {
		report.Checks = append(report.Checks, one)
	}
	if held, ok := c.keys.Current(); ok && held.CanExpire {
		report.BackendCredentialsExpire = held.Expires
	}
	return report
}

// sideBySide makes checks at the same time, each within checkTimeout.
func sideBySide(ctx context.Context, steps []func(context.Context)) {
	var all sync.WaitGroup
	for _, step := range steps {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			step(ctx)
		})
	}
	all.Wait()
}

// checkRoute tries one route, and reports in one check.
func (p *awsProvider) checkRoute(ctx context.Context, r *route) credential.Check {
	name := r.String()
	c, err := r.connect(ctx)
	if err != nil {
		return failed(name, credential.StatusWarning, err)
	}
	v := &validation{provider: p, route: r, connection: c}
	var credentials, identity, read, list credential.Check
	sideBySide(ctx, []func(context.Context){
		func(ctx context.Context) { credentials = v.credentials(ctx) },
		func(ctx context.Context) { identity = v.identity(ctx) },
		func(ctx context.Context) { read, _ = v.read(ctx) },
		func(ctx context.Context) { list = v.list(ctx) },
	})
	check := passed(name, "%s; credentials %s; %s; reading %s; listing %s", v.configuration().Message, credentials.Message, identity.Message, read.Message, list.Message)
	var found, remedies []string
	for _, part := range []credential.Check{credentials, identity, read, list} {
		if part.Status != credential.StatusFailed && part.Status != credential.StatusWarning || part.Reason == credential.Unsupported {
			continue
		}
		if check.Status == credential.StatusPassed {
			check.Status, check.Reason = credential.StatusWarning, part.Reason
		}
		found = append(found, part.Name+": "+part.Message)
		remedies = append(remedies, part.Remedy)
	}
	if len(found) > 0 {
		check.Message, check.Remedy = strings.Join(found, "; "), strings.Join(remedies, "\n")
	}
	return check
}

// unconfigured is the report of a provider that can't even make a client.
func (p *awsProvider) unconfigured(err error, id string) credential.Report {
	report := credential.Report{Checks: []credential.Check{failed(checkConfiguration, credential.StatusFailed, err)}}
	rest := []string{checkCredentials, checkIdentity, checkClock, checkRead, checkList}
	if len(p.plain().settings.FailoverRegions) > 0 {
		rest = append(rest, checkFailover)
	}
	if id != "" {
		rest = append(rest, checkCredential)
	}
	for _, name := range rest {
		report.Checks = append(report.Checks, skipped(name, "the configuration comes first"))
	}
	return report
}

// validation is one run of the checks of a route.
type validation struct {
	provider   *awsProvider
	route      *route
	connection *connection
}

func (v *validation) attempt(action, name string) attempt {
	return attempt{action: action, name: name, region: v.connection.regions[0], settings: v.route.settings, prefix: v.route.prefix}
}

func (v *validation) configuration() credential.Check {
	s, c := v.route.settings, v.connection
	parts := []string{fmt.Sprintf("region %s (from %s)", c.regions[0], c.from)}
	if len(c.regions) > 1 {
		parts = append(parts, "then "+strings.Join(c.regions[1:], ", "))
	}
	if endpoint := c.first().Options().BaseEndpoint; endpoint != nil {
		parts = append(parts, "endpoint "+transport.Shown(*endpoint))
	}
	return passed(checkConfiguration, "%s, secrets %q", strings.Join(parts, ", "), s.SecretPrefix+"*")
}

func (v *validation) credentials(ctx context.Context) credential.Check {
	held, err := v.connection.keys.Retrieve(ctx)
	if err != nil {
		return failed(checkCredentials, credential.StatusFailed, err)
	}
	from := v.connection.chain.Last()
	switch {
	case held.CanExpire:
		return passed(checkCredentials, "from %s; they expire at %s", from, held.Expires.UTC().Format(time.RFC3339))
	case awscreds.IsLeftToExpire(held):
		return credential.Check{
			Name: checkCredentials, Status: credential.StatusWarning, Reason: credential.BackendUnauthenticated,
			Message: fmt.Sprintf("from %s; they are session credentials, which expire at a time that isn't known and aren't renewed", from),
			Remedy:  "for a worker that runs on, use a source that renews itself: a role of the instance, task or service account, a profile, or role_arn",
		}
	default:
		return passed(checkCredentials, "from %s; they don't expire", from)
	}
}

// identity asks STS who the credentials belong to. Reading needs no STS, so nothing that goes wrong here is more than a warning.
func (v *validation) identity(ctx context.Context) credential.Check {
	if err := v.connection.stsErr; err != nil {
		return v.judged(checkIdentity, credential.StatusWarning, err)
	}
	if v.route.settings.EndpointURL != "" && v.connection.sts.Options().BaseEndpoint == nil {
		return skipped(checkIdentity, "endpoint_url is set, and neither AWS_ENDPOINT_URL_STS nor AWS_ENDPOINT_URL says where STS is")
	}
	out, err := v.connection.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return v.judged(checkIdentity, credential.StatusWarning, v.attempt(actionIdentity, "").failure(ctx, err))
	}
	return passed(checkIdentity, "signed in as %s", aws.ToString(out.Arn))
}

// read asks for a secret that can't exist: "not found" means that reading is allowed, and it takes no more permissions than
// reading takes. A policy that allows just some names denies it, so that a denial is no proof; reading a real id is.
//
// Its answer also brings AWS's time.
func (v *validation) read(ctx context.Context) (read, clock credential.Check) {
	name := unlikelyName(v.route.prefix.name)
	tried := v.attempt(actionGet, name)
	err := v.ask(ctx, tried.region, name)
	clock = clockCheck(err, time.Now())
	if err == nil {
		return passed(checkRead, "allowed"), clock
	}
	e := tried.failure(ctx, err)
	switch credential.ReasonOf(e) {
	case credential.CredentialNotFound:
		return passed(checkRead, "allowed: AWS says that a secret which doesn't exist doesn't exist"), clock
	case credential.AccessDenied:
		check := v.judged(checkRead, credential.StatusWarning, e)
		check.Remedy += "\nif policies allow some secrets only, validate with the id of one of them"
		return check, clock
	default:
		return v.judged(checkRead, credential.StatusFailed, e), clock
	}
}

// ask asks a region for the current value of a secret.
func (v *validation) ask(ctx context.Context, region, name string) error {
	_, err := again(v.connection, func() (*secretsmanager.GetSecretValueOutput, error) {
		return v.connection.secrets[region].GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
			SecretId: aws.String(v.route.prefix.secretID(name)), VersionStage: aws.String(currentLabel),
		})
	})
	return err
}

// unlikelyName is a name that no secret has.
func unlikelyName(prefix string) string {
	name := prefix + "tom-validate-" + rand.Text()
	return name[:min(len(name), maxSecretName)]
}

// failover tries every region that reads would fail over to: with a credential's id, whether it has been replicated there.
func (v *validation) failover(ctx context.Context, id string) credential.Check {
	real, err := secretName(v.route.prefix.name, id)
	name := real
	if err != nil || v.provider.route(id) != v.route {
		name, real = unlikelyName(v.route.prefix.name), ""
	}
	regions := v.connection.regions[1:]
	failures := make([]*credential.Error, len(regions))
	var all sync.WaitGroup
	for i, region := range regions {
		all.Go(func() {
			tried := v.attempt(actionGet, name)
			tried.region = region
			if err := v.ask(ctx, region, name); err != nil {
				errors.As(tried.failure(ctx, err), &failures[i])
			}
		})
	}
	all.Wait()

	check := passed(checkFailover, "%s can be read from", strings.Join(regions, ", "))
	for i, e := range failures {
		switch {
		case e == nil, e.Reason == credential.CredentialNotFound && name != real:
			continue
		case e.Metadata["stage"] == stageCredentials:
			return skipped(checkFailover, "there are no AWS credentials to try it with")
		case e.Reason == credential.CredentialNotFound:
			home := v.attempt(actionGet, name)
			replicate := *e
			replicate.Help = []string{"replicate it: " + home.command("replicate-secret-to-regions", "--secret-id %s --add-replica-regions Region=%s", home.id(), regions[i])}
			e = &replicate
		}
		problem := failed(checkFailover, credential.StatusWarning, e)
		if check.Status == credential.StatusWarning {
			problem.Message = check.Message + "; " + problem.Message
			problem.Remedy = check.Remedy + "\n" + problem.Remedy
			problem.Reason = check.Reason
		}
		check = problem
	}
	return check
}

// clockCheck compares this machine's clock with the Date of AWS's answer, which the error holds.
func clockCheck(err error, now time.Time) credential.Check {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPResponse() == nil {
		return skipped(checkClock, "there is no answer of AWS to compare with")
	}
	at, err := http.ParseTime(response.HTTPResponse().Header.Get("Date"))
	if err != nil {
		return skipped(checkClock, "the answer of AWS has no time to compare with")
	}
	skew := now.Sub(at).Round(time.Second)
	if skew.Abs() <= maxSkew {
		return passed(checkClock, "this machine's clock agrees with AWS's")
	}
	direction := "ahead"
	if skew < 0 {
		direction = "behind"
	}
	return credential.Check{
		Name: checkClock, Status: credential.StatusWarning, Reason: credential.BackendMisconfigured,
		Message: fmt.Sprintf("this machine's clock is %s %s of AWS's; AWS refuses requests at five minutes", skew.Abs(), direction),
		Remedy:  "set the clock, for example with: timedatectl set-ntp true",
	}
}

// list asks for one secret of the list. Reading by id does without.
func (v *validation) list(ctx context.Context) credential.Check {
	page, next, err := v.provider.listRoute(ctx, v.route, 1, "")
	if err == nil {
		if len(page.Credentials) == 0 && next == "" {
			return passed(checkList, "allowed; there are no secrets %q", v.route.settings.SecretPrefix+"*")
		}
		return passed(checkList, "allowed")
	}
	if errors.Is(err, credential.Unsupported) {
		return skipped(checkList, err.Error())
	}
	check := v.judged(checkList, credential.StatusWarning, err)
	if errors.Is(err, credential.AccessDenied) {
		check.Message += "; credentials can be read by id, but not listed"
	}
	return check
}

func (v *validation) credential(ctx context.Context, id string) credential.Check {
	found, err := v.provider.Get(ctx, credential.Request{ID: id})
	if err != nil {
		return v.judged(checkCredential, credential.StatusFailed, err)
	}
	return passed(checkCredential, "%q is a credential (version %s)", id, found.VersionID)
}

// judged is the check that failed with err, unless that only repeats what the check of the credentials says.
func (v *validation) judged(name string, status credential.Status, err error) credential.Check {
	var e *credential.Error
	if errors.As(err, &e) && e.Metadata["stage"] == stageCredentials {
		return skipped(name, "there are no AWS credentials to try it with")
	}
	return failed(name, status, err)
}

func passed(name, format string, args ...any) credential.Check {
	return credential.Check{Name: name, Status: credential.StatusPassed, Message: fmt.Sprintf(format, args...)}
}

func skipped(name, why string) credential.Check {
	return credential.Check{Name: name, Status: credential.StatusSkipped, Message: why}
}

func failed(name string, status credential.Status, err error) credential.Check {
	check := credential.Check{Name: name, Status: status, Message: err.Error(), Reason: credential.ReasonOf(err)}
	var e *credential.Error
	if errors.As(err, &e) {
		check.Remedy = strings.Join(e.Help, "\n")
	}
	return check
}
