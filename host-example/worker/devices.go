// Package worker has what jobs at devices need of the host's settings, whatever hands the jobs out.
package worker

import (
	"fmt"

	"github.com/tom-worker/credential-provider/host-example/config"
	"github.com/tom-worker/credential-provider/host-example/worker/device"
	"github.com/tom-worker/credential-provider/host-example/worker/device/platform"
	"github.com/tom-worker/credential-provider/host-example/worker/hostrules"
	"github.com/tom-worker/credential-provider/host-example/worker/job"
)

// Devices is what the settings say of devices. All of it is for concurrent use.
type Devices struct {
	Rules     hostrules.Rules
	Platforms platform.Platforms
	// Dialer logs in. ObserveCommands is unset.
	Dialer device.Dialer
}

// Open reads the files that the settings name. Its errors name the setting.
func Open(c *config.Config) (*Devices, error) {
	rules, err := hostrules.Parse(c.SSHCredentialHosts)
	if err != nil {
		return nil, c.Unusable("ssh_credential_hosts", err)
	}
	known, err := c.AtHome("ssh_known_hosts", c.SSHKnownHosts)
	if err != nil {
		return nil, err
	}
	hostKeys, err := device.OpenHostKeys(known, c.SSHHostKeys == config.HostKeysAcceptNew)
	if err != nil {
		return nil, c.Unusable("ssh_known_hosts", err)
	}
	own, err := c.AtHome("device_platforms", c.DevicePlatforms)
	if err != nil {
		return nil, err
	}
	platforms, err := platform.Load(own)
	if err != nil {
		return nil, c.Unusable("device_platforms", err)
	}
	if c.SSHLegacyAlgorithms {
		device.AllowShortKeys()
	}
	return &Devices{
		Rules: rules, Platforms: platforms,
		Dialer: device.Dialer{HostKeys: hostKeys, LegacyAlgorithms: c.SSHLegacyAlgorithms, LoginTimeout: c.SSHLoginTimeout},
	}, nil
}

// Check refuses jobs that name a platform that there isn't: before they take their turn.
func (d *Devices) Check(j *job.Job) error {
	_, err := d.platform(j)
	return err
}

// Script is what a job does at its device.
func (d *Devices) Script(j *job.Job) (device.Script, error) {
	p, err := d.platform(j)
	return device.Script{Commands: j.Commands, Config: j.Config, Enable: j.Enable, Shell: j.Shell, Errors: j.Errors, Platform: p}, err
}

// platform is nil for a job that names none.
func (d *Devices) platform(j *job.Job) (*platform.Platform, error) {
	if j.DeviceType == "" {
		return nil, nil
	}
	p, err := d.Platforms.Find(j.DeviceType)
	if err != nil {
		return nil, fmt.Errorf("device_type: %w", err)
	}
	return p, nil
}
