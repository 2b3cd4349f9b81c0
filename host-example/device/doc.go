// Package device logs in to network devices over SSH and runs commands there.
//
//	hostKeys, err := device.OpenHostKeys("/home/worker/.ssh/known_hosts", false)
//	dialer := device.Dialer{HostKeys: hostKeys}
//	session, err := dialer.Login(ctx, "10.0.0.1:22", cred)
//	if err != nil {
//		return err // wraps store.ErrRefused if, and only if, the device refuses the credential
//	}
//	defer session.Close()
//	outputs, err := session.Run(ctx, []string{"show version"}, false)
//
// A connection spends the password once. A device offers ways to log in, and several of them take the password: whichever is
// tried first is the only one, since to the device a second one would be a second wrong password. A private key, if the
// credential has one, comes before the password.
//
// Commands have a channel each (exec), which gives exact outputs and exit statuses. Devices that don't have that, or that
// end the connection after one command, get theirs typed into a terminal: see [Session.Run].
package device
