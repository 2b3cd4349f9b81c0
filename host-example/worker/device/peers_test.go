//go:build unix

package device_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
)

// netmikoNames are the specimens of platforms that netmiko has a name for.
var netmikoNames = map[string]string{
	"prompt ios": "cisco_ios", "prompt ios-xr": "cisco_xr", "prompt pan-os": "paloalto_panos", "prompt huawei": "huawei", "prompt comware": "hp_comware",
	"prompt tmos": "f5_tmsh", "prompt aos-w": "aruba_os", "prompt of two lines, junos": "juniper_junos", "prompt of two lines, sros": "nokia_sros",
	"pager ios": "cisco_xe", "pager asa": "cisco_asa", "pager vrp": "huawei", "pager fortios": "fortinet", "pager aos-cx": "aruba_aoscx",
	"pager dell": "dell_powerconnect", "pager fastiron": "ruckus_fastiron", "pager exos": "extreme_exos", "pager tplink": "tplink_jetstream",
	"pager junos": "juniper_junos", "pager sros": "alcatel_sros", "pager s300": "cisco_s300", "pager dlink": "dlink_ds",
	"progress of ios": "cisco_ios", "progress of vrp": "huawei", "output with tabs": "cisco_ios", "output with blanks at the end": "cisco_ios",
	"procurve": "hp_procurve", "echo with blanks and backspaces": "juniper_junos", "echo cut at 80 columns": "cisco_asa", "mikrotik": "mikrotik_routeros",
	"mikrotik that runs on CR only": "mikrotik_routeros", "ios-xr": "cisco_xr", "comware behind a prefix": "hp_comware", "vrp, uncommitted": "huawei_vrpv8",
	"fortios in a table": "fortinet", "garderos underlines": "garderos_grs", "eltex esr repaints at each key": "eltex_esr", "onyx turns its keypad on": "mellanox_mlnxos",
	"two lines of sr linux": "nokia_srl", "ipso counts": "checkpoint_gaia", "zsh": "linux", "zte ends lines with LF CR": "zte_zxros", "an error with the command again": "cisco_ftd",
}

// Why a peer reads something else.
const (
	paged     = "neither turns a page, and this device can't be told not to wait behind one"
	firstLine = "the prompt's first line is in the output"
	echo      = "the echo isn't the command as it was typed: it is taken for output, or waited for"
	changes   = "the prompt is another one than at the login"
	overwrote = "what the device wrote over on a line is in the output"
	userName  = "the user's name gets options for the terminal, which only RouterOS itself takes off"
	anonymous = "it logs in without a password first, and then asks in the terminal"
	prepares  = "what it types after the login is answered otherwise"
	pattern   = "the generic driver's pattern doesn't fit the prompt, or fits an output"
)

// differences are the reasons, for netmiko and for scrapli. A page is never turned by either.
var differences = map[string][2]string{
	"prompt pan-os":                   {prepares, ""},
	"prompt of two lines, junos":      {changes, firstLine},
	"echo with blanks and backspaces": {echo, ""},
	"echo cut at 80 columns":          {echo, echo},
	"mikrotik":                        {userName, echo},
	"mikrotik that runs on CR only":   {userName, echo},
	"progress of vrp":                 {overwrote, overwrote},
	"progress of ios":                 {overwrote, overwrote},
	"ios-xr":                          {changes, pattern},
	"comware behind a prefix":         {changes, ""},
	"vrp, uncommitted":                {changes, ""},
	"fortios in a table":              {prepares, ""},
	"ipso counts":                     {changes, ""},
	"zsh":                             {echo, pattern},
	"an error with the command again": {changes, pattern},
	"onyx turns its keypad on":        {changes, ""},
	"two lines of sr linux":           {"", firstLine},
	"pager dell":                      {anonymous, ""},
}

// Beside netmiko and scrapli: for each device that netmiko has a name for, our output is exact, and where a peer reads something
// else there is a reason. The blanks at both ends of an output and of its lines don't count, since the peers strip them.
func TestBesideNetmikoAndScrapli(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	type probe struct {
		Name     string   `json:"name"`
		Port     int      `json:"port"`
		Kind     string   `json:"kind"`
		Commands []string `json:"commands"`
		Short    [2]bool  `json:"short"` // what differs isn't waited for long
	}
	var probes []probe
	right := map[string][]string{}
	var ours sync.WaitGroup
	for _, specimen := range devicetest.Specimens() {
		kind := netmikoNames[specimen.Name]
		if kind == "" {
			continue
		}
		d := start(t, devicetest.Options{Username: "admin", Password: password, Terminal: specimen.Serve})
		runs := specimen.Runs[:min(2, len(specimen.Runs))]
		p := probe{Name: specimen.Name, Port: d.Port(), Kind: kind}
		for i := range p.Short {
			p.Short[i] = differs(p.Name, i) != ""
		}
		for _, run := range runs {
			p.Commands = append(p.Commands, run.Command)
			right[p.Name] = append(right[p.Name], run.Output)
		}
		probes = append(probes, p)
		dialer := dialer(t, d)
		ours.Go(func() {
			session, err := login(t, dialer, d.Address(), withPassword(password))
			if err != nil {
				t.Errorf("%s: %v", p.Name, err)
				return
			}
			outputs, err := session.Run(t.Context(), device.Script{Commands: p.Commands, Shell: true})
			for i, output := range outputs {
				if output.Output != runs[i].Output {
					t.Errorf("%s: %q is read as %q, not %q", p.Name, output.Command, output.Output, runs[i].Output)
				}
			}
			if err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		})
	}
	ours.Wait()
	if len(probes) != len(netmikoNames) {
		t.Fatalf("%d specimens are there, not %d", len(probes), len(netmikoNames))
	}
	list, err := json.Marshal(probes)
	if err != nil {
		t.Fatal(err)
	}
	const limit = "9"                                                                            // seconds
	peers := exec.CommandContext(t.Context(), interpreter, "testdata/peers.py", password, limit) //nolint:gosec // the interpreter of the tests
	peers.Stdin, peers.Stderr = bytes.NewReader(list), os.Stderr
	out, err := peers.Output()
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]map[string]json.RawMessage
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		for i, peer := range []string{"netmiko", "scrapli"} {
			var theirs []string
			failed := json.Unmarshal(read[p.Name][peer], &theirs) != nil
			same := !failed
			for n := range theirs {
				same = same && plain(theirs[n]) == plain(right[p.Name][n])
			}
			reason := differs(p.Name, i)
			switch {
			case same:
				t.Logf("%s: %s reads the same", p.Name, peer)
			case reason == "":
				t.Errorf("%s: %s reads %s, ours is %q", p.Name, peer, read[p.Name][peer], right[p.Name])
			default:
				t.Logf("%s: %s differs: %s", p.Name, peer, reason)
			}
		}
	}
}

func differs(specimen string, peer int) string {
	if strings.HasPrefix(specimen, "pager ") {
		return cmp.Or(differences[specimen][peer], paged)
	}
	return differences[specimen][peer]
}

// plain is a text without what the peers take away: blanks at the ends of lines, and blank lines at both ends.
func plain(text string) string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "")) {
		lines = append(lines, strings.TrimRight(line, " \t\n"))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n ")
}
