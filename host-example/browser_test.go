//go:build unix

package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/shared/credential"
)

// browser is a Chromium without a window, driven through its DevTools protocol over two pipes, with one page open.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	calls   int
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium, and CI=true: install it")
		}
		t.Skip("no chromium: install it to have the page of the fleet tried in a real browser")
	}
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
		"--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+filepath.Join(home, "profile"), "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.ExtraFiles = []*os.File{in, out} // its descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = in.Close(), out.Close()
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		_, _ = fmt.Fprint(to, `{"id":1000000,"method":"Browser.close"}`+"\x00")
		_ = to.Close()
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
		_ = from.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil, nil)
	return b
}

// call calls a method and waits for its answer.
func (b *browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	if err := b.try(method, params, into); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// try is call for what may be refused.
func (b *browser) try(method string, params map[string]any, into any) error {
	b.t.Helper()
	b.calls++
	message := map[string]any{"id": b.calls, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		line, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: the browser is gone: %v", method, err)
		}
		var answer struct {
			ID            int
			Result, Error json.RawMessage
		}
		if err := json.Unmarshal(line[:len(line)-1], &answer); err != nil {
			b.t.Fatal(err)
		}
		if answer.ID != b.calls {
			continue // an event
		}
		if answer.Error != nil {
			return errors.New(string(answer.Error))
		}
		if into != nil {
			return json.Unmarshal(answer.Result, into)
		}
		return nil
	}
}

// eval returns the value of an expression in the page; an error, such as of a page that is being replaced, is empty.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var answer struct {
		Result struct{ Value any }
	}
	_ = b.try("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")"}, &answer)
	value, _ := answer.Result.Value.(string)
	return value
}

// open opens a page, and waits until it is there.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.until("document.readyState === 'complete' && location.href.startsWith('" + url + "')")
}

func (b *browser) until(condition string) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); b.eval(condition) != "true"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("in vain: %s; the page is %s:\n%s", condition, b.eval("location.href"), b.eval("document.documentElement.outerHTML"))
		}
	}
}

// click clicks with the mouse on the middle of an element, wherever it is.
func (b *browser) click(selector string) {
	b.t.Helper()
	var at struct{ X, Y float64 }
	where := b.eval(`(()=>{const e=document.querySelector('` + selector + `');e.scrollIntoView({block:"center"});const r=e.getBoundingClientRect();return JSON.stringify({x:r.x+r.width/2,y:r.y+r.height/2})})()`)
	if err := json.Unmarshal([]byte(where), &at); err != nil {
		b.t.Fatalf("nothing to click on for %s: %q", selector, where)
	}
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// look sets the window's width and the colour scheme.
func (b *browser) look(scheme string, width int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil) //nolint:misspell // the name in CSS
}

// picture puts a picture of the whole page into the directory that FLEET_PICTURES names, where it does.
func (b *browser) picture(name string) {
	b.t.Helper()
	directory := os.Getenv("FLEET_PICTURES")
	if directory == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// TestPageInABrowser has a quarantine lifted by a click in a real browser, after pages of other origins have tried in vain; and looks at how
// the page is laid out, narrow and wide, light and dark.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	s := newSite(t, 1, 3, admins)
	s.backend.PutSecret("tom/credentials/c0", `{"username":"admin","password":"made-up-4711"}`)
	for _, d := range s.devices[0] {
		d.SetPassword("another one")
	}
	p := startWatched(t, append(s.environ, `TOM_WORKER_FLEET_LINKS=["SAQ=http://queue.example:8080/","Temporal=https://temporal.example/"]`)...)
	for i := range 2 {
		if got := p.job(fmt.Sprint(i), s.devices[0][i].Port(), "c0"); got.Error == nil || got.Error.Reason != credential.CredentialRejected {
			t.Fatalf("%+v", got)
		}
	}
	quarantined := func() bool { return p.samples()["tom_credential_quarantined"] == 1 }

	b.open(p.url + "/")
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{360, 1280} {
			b.look(scheme, width)
			b.picture(fmt.Sprint("quarantined-", scheme, "-", width))
			if wide := b.eval("document.documentElement.scrollWidth"); wide != fmt.Sprint(width) {
				t.Errorf("%s, %d wide: the page is %s wide", scheme, width, wide)
			}
			if back := b.eval("getComputedStyle(document.body).backgroundColor"); (back == "rgb(255, 255, 255)") != (scheme == "light") {
				t.Errorf("%s: the background is %s", scheme, back) // also if the policy refuses the style
			}
			for _, pair := range [][2]string{{"th.id", "body"}, {"thead th", "body"}, {".bad", "body"}, {".good", "body"}, {".note", "body"}, {"a", "body"}, {"button", "button"}} {
				if ratio := b.eval(fmt.Sprintf(contrast, pair[0], pair[1])); ratio != "ok" {
					t.Errorf("%s, %s: the contrast is %s", scheme, pair[0], ratio)
				}
			}
		}
	}

	// A page of another origin sends the same form, with a token or without.
	tried := 0
	forged := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			return // its icon
		}
		tried++
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<form method="post" action="%s/lift"><input name="id" value="c0"><input name="token" value="%s"></form><script>document.forms[0].submit()</script>`, p.url, html.EscapeString(r.URL.Query().Get("token")))
	}))
	defer forged.Close()
	token := b.eval(`document.querySelector("input[name=token]").value`)
	if len(token) != 43 {
		t.Fatalf("token %q", token)
	}
	for _, token := range []string{"", token} {
		b.call("Page.navigate", map[string]any{"url": forged.URL + "/?token=" + token}, nil)
		b.until("document.readyState === 'complete' && location.href === '" + p.url + "/lift'")
		if said := b.eval("document.body.innerText"); !strings.Contains(said, "NOT_ALLOWED") {
			t.Errorf("the other page's form was answered with %s", said)
		}
	}
	if tried != 2 || !quarantined() {
		t.Fatalf("tried %d times; the quarantine is lifted", tried)
	}

	// The operator sets the devices right, and presses the button.
	for _, d := range s.devices[0] {
		d.SetPassword("made-up-4711")
	}
	b.look("light", 360)
	b.open(p.url + "/")
	b.click("button")
	b.until(`document.readyState === 'complete' && document.querySelector("[role=status]") !== null && document.body.innerText.includes("Lifted: c0")`)
	for _, scheme := range []string{"light", "dark"} {
		b.look(scheme, 1280)
		b.picture("lifted-" + scheme + "-1280")
	}
	if quarantined() {
		t.Error("the quarantine is still there")
	}
	if log := p.log.String(); !strings.Contains(log, "host-example.audit: quarantine lifted: credential_id=c0") {
		t.Errorf("no line of it in the audit log:\n%s", log)
	}
	if got := p.job("3", s.devices[0][2].Port(), "c0"); got.Error != nil {
		t.Errorf("%+v", got.Error)
	}
	p.leave()
}

// contrast is an expression that is ok if the text of the first element, where there is one, can be told from the background of the second by
// those who see less well: a ratio of 4.5, as WCAG has it.
//
//nolint:misspell // the names in CSS
const contrast = `(()=>{const l=c=>{const[r,g,b]=c.match(/[\d.]+/g).map(v=>{v/=255;return v<=.04045?v/12.92:((v+.055)/1.055)**2.4});return .2126*r+.7152*g+.0722*b};
const e=document.querySelector(%q);if(!e)return"ok";const a=l(getComputedStyle(e).color),z=l(getComputedStyle(document.querySelector(%q)).backgroundColor);
const q=(Math.max(a,z)+.05)/(Math.min(a,z)+.05);return q>=4.5?"ok":q.toFixed(2)})()`
