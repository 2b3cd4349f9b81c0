package main

import (
	"strings"

	"github.com/tom-worker/credential-provider/host-example/worker/device/devicetest"
)

// devices are SSH devices in this process, which all have the same password.
type devices []*devicetest.Device

// startDevices returns those that it has started, even with an error.
func startDevices(names ...string) (started devices, err error) {
	for _, name := range names {
		device, err := devicetest.Start(devicetest.Options{Name: name, Username: "admin", Password: password})
		if err != nil {
			return started, err
		}
		started = append(started, device)
	}
	return started, nil
}

// startRouter starts a device with a command line like IOS: it asks for an enable password, and has a pager.
func startRouter() (*devicetest.Device, error) {
	router := &devicetest.IOS{Name: "core-r1", Enable: enablePassword, Rows: 3}
	return devicetest.Start(devicetest.Options{Name: router.Name, Username: "netops", Password: routerPassword, Terminal: router.Serve, NoExec: true})
}

func (all devices) knownHosts() string {
	var lines strings.Builder
	for _, device := range all {
		lines.WriteString(device.KnownHost())
	}
	return lines.String()
}

func (all devices) setPassword(password string) {
	for _, device := range all {
		device.SetPassword(password)
	}
}

func (all devices) close() {
	for _, device := range all {
		device.Close()
	}
}
