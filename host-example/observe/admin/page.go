package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// Link leads to the page of another program, such as a job engine's.
type Link struct{ Name, URL string }

// Page shows the fleet as HTML, and lifts quarantines. [NewPage] makes one.
type Page struct {
	log         hclog.Logger
	quarantines *Quarantines
	links       []Link
	key         []byte // of tokens, for as long as the process lives
	fleet       atomic.Pointer[func(context.Context) Fleet]
}

// NewPage makes a page that has no fleet yet, and says so. It lifts what quarantines lifts.
func NewPage(quarantines *Quarantines, links []Link, log hclog.Logger) *Page {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &Page{log: log, quarantines: quarantines, links: links, key: key}
}

// Fleet has the page show what fleet returns.
func (p *Page) Fleet(fleet func(context.Context) Fleet) { p.fleet.Store(&fleet) }

// Routes adds
//
//	GET /        the page
//	POST /lift   the form of its buttons: id and token. 403 with a token that isn't the page's
//	GET /fleet   the same in JSON, as [Fleet]
//
// to mux, all for this machine only.
func (p *Page) Routes(mux *http.ServeMux) {
	mux.Handle("GET /{$}", local(p.show))
	mux.Handle("POST /lift", local(p.lift))
	mux.Handle("GET /fleet", local(p.json))
}

// pageTime bounds what a page waits for.
const pageTime = 1500 * time.Millisecond

func (p *Page) now(r *http.Request) (Fleet, bool) {
	fleet := p.fleet.Load()
	if fleet == nil {
		return Fleet{}, false
	}
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	return (*fleet)(ctx), true
}

func (p *Page) json(w http.ResponseWriter, r *http.Request) {
	fleet, ok := p.now(r)
	if !ok {
		fail(w, http.StatusServiceUnavailable, starting())
		return
	}
	answer(w, http.StatusOK, fleet)
}

func (p *Page) show(w http.ResponseWriter, r *http.Request) { p.write(w, r, http.StatusOK, "", nil) }

// token is what a form must have to lift a quarantine. Another page can't know it, nor make one for another id.
func (p *Page) token(id string) string {
	m := hmac.New(sha256.New, p.key)
	_, _ = m.Write([]byte("lift " + id))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// lift answers with the page, and what became of it.
func (p *Page) lift(w http.ResponseWriter, r *http.Request) {
	id, token := r.PostFormValue("id"), r.PostFormValue("token")
	if !hmac.Equal([]byte(token), []byte(p.token(id))) {
		p.write(w, r, http.StatusForbidden, "", credential.Errorf(NotAllowed, "nothing was lifted: the request's token isn't this page's").
			WithHelp("press the button on this page: the one before may be from another start of the worker").
			WithHelp("or on the worker's machine: host-example quarantine lift ID"))
		return
	}
	err := p.quarantines.do(r, id, "")
	if err != nil {
		shown := asError(err)
		p.write(w, r, statusOf(shown), "", shown)
		return
	}
	p.write(w, r, http.StatusOK, id, nil)
}

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"lasts": Lasts}).Parse(pageText))

// pagePolicy lets a browser load nothing, run nothing, and show the page in no other one.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// shown is what the page's template gets.
type shown struct {
	Fleet
	Style    template.CSS
	Links    []Link
	Starting bool
	Lifted   string
	Failed   *credential.Error
	Rows     []row
	Ready    int
	Silent   int
	Closed   int
}

// row is a credential with its token.
type row struct {
	Credential
	Name, Token string
}

func (p *Page) write(w http.ResponseWriter, r *http.Request, status int, lifted string, failed *credential.Error) {
	fleet, ok := p.now(r)
	page := shown{Fleet: fleet, Style: template.CSS(pageStyle), Links: p.links, Starting: !ok, Lifted: lifted, Failed: failed} //nolint:gosec // a constant
	for _, c := range fleet.Credentials {
		row := row{Credential: c, Name: cmp.Or(c.CredentialID, c.Material)}
		if row.Token = p.token(row.Name); c.Quarantined {
			page.Closed++
		}
		page.Rows = append(page.Rows, row)
	}
	for _, m := range fleet.Members {
		switch {
		case m.Silent:
			page.Silent++
		case m.Ready:
			page.Ready++
		}
	}
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, page); err != nil { // a mistake in the template
		p.log.Error("the page of the fleet can't be made", "error", err)
		fail(w, http.StatusInternalServerError, credential.Errorf(credential.Internal, "the page can't be made").WithHelp("host-example fleet shows the same"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a browser would send no Origin with the form
	w.WriteHeader(status)
	_, _ = text.WriteTo(w) // who asked is gone otherwise
}
