package config

import (
	"errors"
	"net/url"
	"strings"

	"github.com/tom-worker/credential-provider/shared/text"
)

// ParseLink reads an item of fleet_links, such as SAQ=http://queue.example:8080/. Only http and https lead to pages; a user or a
// password in the URL would be seen by all who see the page. The error doesn't show the item, since it may have one.
func ParseLink(item string) (name, link string, err error) {
	name, link, found := strings.Cut(item, "=")
	name, link = strings.TrimSpace(name), strings.TrimSpace(link)
	if !found || name == "" || text.Line(name) != name {
		return "", "", errors.New("must be NAME=URL, such as SAQ=http://queue.example:8080/")
	}
	parsed, err := url.Parse(link)
	switch {
	case err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "":
		return "", "", errors.New("must have a URL that starts with http:// or https:// and a host, such as " + quoted(text.Truncate(name, 40)+"=http://queue.example:8080/"))
	case parsed.User != nil:
		return "", "", errors.New("must have no user and no password in its URL: all who see the page would see them")
	}
	return name, link, nil
}
