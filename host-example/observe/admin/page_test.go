package admin_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/host-example/observe/admin"
)

// hostile are what ids and names could be.
const hostile = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;{{.}}` + "\u202e"

// paged is a page of a guard whose quarantines are refusals, and what it has noted.
type paged struct {
	http.Handler
	page  *admin.Page
	guard *guard
	noted []string
}

func newPaged(t *testing.T, ids ...string) *paged {
	t.Helper()
	p := &paged{guard: &guard{}}
	q, mux := admin.NewQuarantines(hclog.NewNullLogger()), http.NewServeMux()
	p.page = admin.NewPage(q, []admin.Link{{Name: "SAQ " + hostile, URL: "http://queue.example/?a=1&b=" + url.QueryEscape(hostile)}}, hclog.NewNullLogger())
	p.page.Routes(mux)
	p.Handler = mux
	fleet := admin.Fleet{Ledger: "memory", At: time.Unix(1_800_000_000, 0).UTC(), Members: []admin.Member{
		{Host: hostile, Kind: hostile, PID: 4711, Version: hostile, Provider: hostile, Reason: hostile},
		{Host: "gone", Kind: "agent", Silent: true, SeenSeconds: 100_000},
		{Host: "here", Kind: "worker", Ready: true, UptimeSeconds: 7260},
	}}
	for _, id := range ids {
		p.guard.refusals = append(p.guard.refusals, admin.Quarantine{CredentialID: id})
		fleet.Credentials = append(fleet.Credentials, admin.Credential{CredentialID: id, Quarantined: true, RetrySeconds: 200, Refused: 5, WrongPasswords: 2, Failed: 2, Budget: 2})
	}
	q.Guard(p.guard, func(_ context.Context, q admin.Quarantine, user, peer string) error {
		p.noted = append(p.noted, q.CredentialID+" by "+user+" at "+peer)
		return nil
	})
	p.page.Fleet(func(context.Context) admin.Fleet { return fleet })
	return p
}

// ask sends a request as a browser on this machine does; change may make another one of it.
func (p *paged) ask(method, path string, form url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.RemoteAddr, r.Host = "127.0.0.1:5000", "127.0.0.1:9464"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://127.0.0.1:9464")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if change != nil {
		change(r)
	}
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, r)
	return recorder
}

// forms are those of a page.
func forms(page string) (all []url.Values) {
	for _, m := range regexp.MustCompile(`name="id" value="([^"]*)"><input type="hidden" name="token" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, url.Values{"id": {html.UnescapeString(m[1])}, "token": {html.UnescapeString(m[2])}})
	}
	return all
}

func TestPage(t *testing.T) {
	p := newPaged(t, "lab", hostile)
	answer := p.ask(http.MethodGet, "/", nil, nil)
	page := answer.Body.String()
	if answer.Code != 200 || answer.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("status %d, %v", answer.Code, answer.Header())
	}
	for _, want := range []string{`<html lang="en">`, "<title>(2) Fleet</title>", "quarantined, 3m20s left", "2 of 2", "1d3h ago", "2h1m", "not ready", `<th scope="col">Host</th>`,
		`href="http://queue.example/?a=1&amp;b=`, "1 of 3 ready, 1 silent"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page:\n%s", want, page)
		}
	}
	for _, bad := range []string{"<script", "<img", "onerror='", `"">`, "http-equiv", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q in the page", bad)
		}
	}
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
	found := forms(page)
	if len(found) != 2 || found[1].Get("id") != hostile {
		t.Fatalf("forms %v", found)
	}
	lifted := p.ask(http.MethodPost, "/lift", found[1], nil)
	if lifted.Code != 200 || !strings.Contains(lifted.Body.String(), "Lifted: ") || strings.Contains(lifted.Body.String(), "<script") {
		t.Errorf("status %d:\n%s", lifted.Code, lifted.Body)
	}
	if len(p.noted) != 1 || p.noted[0] != hostile+" by  at 127.0.0.1:5000" || len(p.guard.refusals) != 1 {
		t.Errorf("noted %q", p.noted)
	}
	again := p.ask(http.MethodPost, "/lift", found[1], nil)
	if again.Code != 404 || !strings.Contains(again.Body.String(), "no device refuses") {
		t.Errorf("once more: status %d:\n%s", again.Code, again.Body)
	}
	if other := p.ask(http.MethodGet, "/other", nil, nil); other.Code != 404 {
		t.Errorf("another path: %d", other.Code)
	}
	if got := p.ask(http.MethodGet, "/lift", nil, nil); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("lift by GET: %d", got.Code)
	}
}

// Only a form of the page itself, in this process, from this machine, lifts; and only what it is for.
func TestForgedLifts(t *testing.T) {
	good := func(p *paged) url.Values { return forms(p.ask(http.MethodGet, "/", nil, nil).Body.String())[0] }
	for name, test := range map[string]struct {
		form   func(p *paged, form url.Values)
		change func(r *http.Request)
		want   int
	}{
		"the page's own":    {nil, nil, 200},
		"IPv6":              {nil, func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:5000", "localhost:9464"; r.Header.Del("Origin") }, 200},
		"no token":          {func(_ *paged, f url.Values) { f.Del("token") }, nil, 403},
		"an empty token":    {func(_ *paged, f url.Values) { f.Set("token", "") }, nil, 403},
		"another token":     {func(_ *paged, f url.Values) { f.Set("token", strings.Repeat("A", 43)) }, nil, 403},
		"a token cut short": {func(_ *paged, f url.Values) { f.Set("token", f.Get("token")[:42]) }, nil, 403},
		"another id":        {func(_ *paged, f url.Values) { f.Set("id", "other") }, nil, 403},
		"another one's token": {func(p *paged, f url.Values) {
			f.Set("token", forms(p.ask(http.MethodGet, "/", nil, nil).Body.String())[1].Get("token"))
		}, nil, 403},
		"a token of another life": {func(_ *paged, f url.Values) { f.Set("token", good(newPaged(t, "lab", "other")).Get("token")) }, nil, 403},
		"in the URL":              {func(_ *paged, f url.Values) { f.Del("token") }, func(r *http.Request) { r.URL.RawQuery = "token=" + strings.Repeat("A", 43) }, 403},
		"a good token in the URL": {nil, func(r *http.Request) {
			_ = r.ParseForm()
			r.URL.RawQuery, r.Form, r.PostForm, r.Body = r.PostForm.Encode(), nil, nil, http.NoBody
		}, 403},
		"another machine": {nil, func(r *http.Request) { r.RemoteAddr = "192.0.2.7:5000" }, 403},
		"a name that was made to resolve to loopback": {nil, func(r *http.Request) { r.Host = "evil.example:9464" }, 403},
		"a web page":                   {nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"a web page of another port":   {nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"a web page in an old browser": {nil, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://evil.example") }, 403},
		"a page without an origin":     {nil, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") }, 403},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPaged(t, "lab", "other")
			form := good(p)
			if test.form != nil {
				test.form(p, form)
			}
			answer := p.ask(http.MethodPost, "/lift", form, test.change)
			if answer.Code != test.want || (len(p.noted) == 1) != (test.want == 200) || (len(p.guard.refusals) == 1) != (test.want == 200) {
				t.Errorf("status %d, noted %q", answer.Code, p.noted)
			}
			if test.want == 403 && !strings.Contains(html.UnescapeString(answer.Body.String()), "host-example quarantine") {
				t.Errorf("nothing to do about it: %s", answer.Body)
			}
		})
	}
}

// Who may not see quarantines sees neither the page nor its JSON; and before there is a fleet both say so.
func TestWhoMaySeeThePage(t *testing.T) {
	p := newPaged(t, "lab")
	for _, path := range []string{"/", "/fleet"} {
		for _, change := range []func(*http.Request){
			func(r *http.Request) { r.RemoteAddr = "192.0.2.7:5000" },
			func(r *http.Request) { r.Host = "evil.example" },
		} {
			if answer := p.ask(http.MethodGet, path, nil, change); answer.Code != 403 || strings.Contains(answer.Body.String(), "4711") {
				t.Errorf("%s: status %d: %s", path, answer.Code, answer.Body)
			}
		}
		if answer := p.ask(http.MethodGet, path, nil, nil); answer.Code != 200 || !strings.Contains(answer.Body.String(), "4711") {
			t.Errorf("%s: status %d", path, answer.Code)
		}
	}
	mux := http.NewServeMux()
	admin.NewPage(admin.NewQuarantines(hclog.NewNullLogger()), nil, hclog.NewNullLogger()).Routes(mux)
	p.Handler = mux
	if answer := p.ask(http.MethodGet, "/", nil, nil); answer.Code != 200 || !strings.Contains(answer.Body.String(), "still starting") {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
	if answer := p.ask(http.MethodGet, "/fleet", nil, nil); answer.Code != 503 || !strings.Contains(answer.Body.String(), "WORKER_UNAVAILABLE") {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
}
