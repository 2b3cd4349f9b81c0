// Package device logs in to network devices over SSH and runs commands there.
//
//	hostKeys, err := device.OpenHostKeys("/home/worker/.ssh/known_hosts", false)
//	dialer := device.Dialer{HostKeys: hostKeys}
//	target := device.Target{Address: "10.0.0.1:22", Expected: cred}
//	session, err := dialer.Login(ctx, target, func(ctx context.Context) (*credential.Credential, error) {
//		return newest(ctx) // the device asks for it now
//	})
//	if err != nil {
//		return err // wraps device.ErrRefused if, and only if, the device refuses the credential
//	}
//	defer session.Close()
//	outputs, err := session.Run(ctx, []string{"show version"}, false)
//
// [Dialer.Connect] connects and exchanges keys, for which no secret is needed; [Connection.Login] asks for the credential
// when the device asks for something that it has.
//
// A connection spends the password once. A device offers ways to log in, and several of them take the password: the first
// one that is tried is the only one, since to the device a second one would be a second wrong password. Only a prompt that
// asks for the password gets it. A private key, if the credential has one, comes before the password.
//
// Commands have a channel each (exec), which gives exact outputs and exit statuses. Devices that don't have that, or that
// end the connection after one command, get theirs typed into a terminal: see [Session.Run] and package terminal.
package device
