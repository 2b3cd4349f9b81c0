package platform_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tom-worker/credential-provider/host-example/worker/device/platform"
)

func load(t *testing.T, text string) (platform.Platforms, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "platforms.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return platform.Load(path)
}

// Each platform that jobs can name is whole.
func TestBuiltIn(t *testing.T) {
	all, err := platform.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(`cisco_ios cisco_xe cisco_nxos cisco_xr cisco_asa cisco_ftd cisco_s300 cisco_wlc arista_eos juniper_junos juniper
		hp_procurve aruba_os aruba_osswitch aruba_aoscx aoscx hp_comware huawei huawei_vrp huawei_vrpv8 huawei_smartax fortinet mikrotik_routeros
		nokia_sros alcatel_sros nokia_srl paloalto_panos extreme_exos extreme extreme_vsp dell_os10 dell_os9 dell_force10 dell_os6 dell_powerconnect
		ruckus_fastiron brocade_fastiron vyos ubiquiti_edgerouter linux f5_tmsh zte_zxros ciena_saos generic
		eltex eltex_esr mellanox_mlnxos a10 ruijie_os raisecom_roap dlink_ds netapp_cdot netscaler ipinfusion_ocnos`) {
		if _, err := all.Find(name); err != nil {
			t.Error(err)
		}
	}
	for name, p := range all {
		if len(p.Enter) > 0 && len(p.Leave) == 0 {
			t.Errorf("%s enters configuration mode and never leaves it", name)
		}
		if len(p.Discard) > 0 && len(p.Commit) == 0 {
			t.Errorf("%s discards what it doesn't commit", name)
		}
		if p.Rejection("up\n100% done\nversion 15.2\n", nil) != "" {
			t.Errorf("%s takes plain output for a rejection", name)
		}
	}
	if _, err := all.Find("cisco_ioss"); err == nil || !strings.Contains(err.Error(), "cisco_ios") {
		t.Errorf("got %v", err)
	}
}

func TestRejection(t *testing.T) {
	all, err := platform.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, output, want string }{
		{"cisco_ios", "            ^\n% Invalid input detected at '^' marker.\n\n", "% Invalid input detected at '^' marker."},
		{"cisco_ios", "% Incomplete command.\n", "% Incomplete command."},
		{"cisco_nxos", "                ^\n% Invalid command at '^' marker.\n", "% Invalid command at '^' marker."},
		{"cisco_asa", "ERROR: % Invalid Hostname\n", "ERROR: % Invalid Hostname"},
		{"arista_eos", "% Invalid input\n", "% Invalid input"},
		{"juniper_junos", "          ^\nsyntax error, expecting <command>.\n", "syntax error, expecting <command>."},
		{"juniper_junos", "error: configuration check-out failed\n", "error: configuration check-out failed"},
		{"huawei", "              ^\nError: Unrecognized command found at '^' position.\n", "Error: Unrecognized command found at '^' position."},
		{"hp_procurve", "Invalid input: foo\n", "Invalid input: foo"},
		{"fortinet", "command parse error before 'foo'\nCommand fail. Return code -61\n", "command parse error before 'foo'"},
		{"mikrotik_routeros", "bad command name foo (line 1 column 1)\n", "bad command name foo (line 1 column 1)"},
		{"nokia_sros", "      ^\nError: Bad command.\n", "Error: Bad command."},
		{"paloalto_panos", "Unknown command: foo\n", "Unknown command: foo"},
		{"linux", "-bash: foo: command not found\n", "-bash: foo: command not found"},
		{"cisco_ios", "% Specify remote-as or peer-group remote AS first\n", "% Specify remote-as or peer-group remote AS first"},
		{"cisco_ios", "% Authentication failed\n", "% Authentication failed"},
		{"cisco_nxos", "             ^\nInvalid range at '^' marker.\n", "Invalid range at '^' marker."},
		{"cisco_asa", "% Permission denied for the role\n", "% Permission denied for the role"},
		{"cisco_asa", "     ^\nInvalid command at '^' marker.\n", "Invalid command at '^' marker."},
		{"arista_eos", "%% Please use copy <url> running-config\n", "%% Please use copy <url> running-config"},
		{"arista_eos", "% BGP is already running with AS number 50\n", "% BGP is already running with AS number 50"},
		{"arista_eos", "% Writing 0 Arp, 0 Route, 1 Mac events to the database\n%SAND-4-SERDES_WITHDRAWN_FROM_FABRIC: withdrawn\n", ""},
		{"hp_comware", "      ^\n % Error: Unrecognized command found at '^' position.\n", "% Error: Unrecognized command found at '^' position."},
		{"huawei_vrpv8", "     ^\nError[1]: Unrecognized command found at '^' position.\n", "Error[1]: Unrecognized command found at '^' position."},
		{"juniper_junos", "configure exclusive error: configuration database modified\n", "configure exclusive error: configuration database modified"},
		{"juniper_junos", "  Last error: none\n", ""},
		{"eltex", "% Wrong number of parameters or invalid range, size or characters entered\n", "% Wrong number of parameters or invalid range, size or characters entered"},
		{"raisecom_roap", "% \"foo\"  Unknown command.\n", "% \"foo\"  Unknown command."},
		{"cisco_ios", "Interface is up\n  5 input errors\n", ""},
	} {
		p, err := all.Find(test.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Rejection(test.output, nil); got != test.want {
			t.Errorf("%s: %q is rejected with %q, not %q", test.name, test.output, got, test.want)
		}
	}
}

func TestFile(t *testing.T) {
	all, err := load(t, "acme:\n  like: cisco_ios\n  names: [acme_os]\n  setup: [page off]\n  errors: ['^no way']\ncisco_nxos:\n  setup: [page 0]\n")
	if err != nil {
		t.Fatal(err)
	}
	acme, err := all.Find("acme_os")
	if err != nil || acme.Setup[0] != "page off" || acme.Enter[0] != "configure terminal" || acme.Rejection("no way\n", nil) == "" || acme.Rejection("% Invalid\n", nil) != "" {
		t.Errorf("got %+v, %v", acme, err)
	}
	if nexus, err := all.Find("cisco_nexus"); err != nil || nexus.Setup[0] != "page 0" {
		t.Errorf("got %+v, %v", nexus, err)
	}
	for _, test := range []struct{ text, want string }{
		{"acme: {setpu: [x]}", "setpu"},
		{"acme: {like: nothing}", "acme: like must be"},
		{"acme: {like: acme}", "acme: like must be"},
		{"acme: {errors: ['(']}", "acme: errors: number 1"},
		{"acme: {setup: [\"a\\nb\"]}", "one line"},
		{"- acme", "cannot unmarshal"},
	} {
		if _, err := load(t, test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.text, err, test.want)
		}
	}
}
