package config

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// hostName is what a name may look like that stands in an address.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

// CheckAddress says what is wrong with an address to listen at or to ask: host:port, or :port for all interfaces.
func CheckAddress(address string) error {
	refused := fmt.Errorf("must be host:port, such as 127.0.0.1:9464, or :9464 for all interfaces, not %s", quoted(address))
	if strings.Contains(address, "://") {
		return fmt.Errorf("must be host:port, not a URL: such as 127.0.0.1:9464, or :9464 for all interfaces")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		if _, err := strconv.ParseUint(address, 10, 16); err == nil {
			return fmt.Errorf("must be host:port; for all interfaces write \":%s\", for this machine alone 127.0.0.1:%s", address, address)
		}
		return refused
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("must end in a port from 0 to 65535, not %s", quoted(port))
	}
	ip, zone, _ := strings.Cut(host, "%")
	switch {
	case host == "", net.ParseIP(host) != nil, hostName.MatchString(host):
		return nil
	case zone != "" && net.ParseIP(ip) != nil:
		return nil
	}
	return refused
}
