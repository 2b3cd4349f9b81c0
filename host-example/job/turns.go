package job

import "sync"

// turns let one job at a time have a device.
type turns struct {
	mu      sync.Mutex
	devices map[string]*turn
}

// turn is one device's.
type turn struct {
	users int // that have it or wait for it
	token chan struct{}
}

// take returns when the device is free, with a function that gives it up again; ok is false when stop came first.
func (t *turns) take(device string, stop <-chan struct{}) (release func(), ok bool) {
	t.mu.Lock()
	if t.devices == nil {
		t.devices = make(map[string]*turn)
	}
	d, found := t.devices[device]
	if !found {
		d = &turn{token: make(chan struct{}, 1)}
		t.devices[device] = d
	}
	d.users++
	t.mu.Unlock()

	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if d.users--; d.users == 0 {
			delete(t.devices, device)
		}
	}
	select {
	case d.token <- struct{}{}:
		return func() { <-d.token; leave() }, true
	case <-stop:
		leave()
		return nil, false
	}
}
