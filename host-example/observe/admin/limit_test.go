package admin_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Idle connections use up neither the process's files nor, once they are gone, the places of a scraper.
func TestConnectionsAreLimited(t *testing.T) {
	_, server, _ := serve(t, hclog.NewNullLogger())
	const places = 64
	var idle []net.Conn
	closed := 0
	for range places + 36 {
		conn, err := net.Dial("tcp", server.Address())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	for _, conn := range idle[places:] {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == io.EOF {
			closed++
		} else if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			closed++ // a reset is an end too
		}
	}
	if closed != 36 {
		t.Errorf("%d of the 36 connections beyond the limit were closed", closed)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(10 * time.Second)
	for {
		response, err := client.Get("http://" + server.Address() + "/")
		if err == nil {
			_ = response.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is no place after all connections were closed: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
