package cairn_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// between stands between clients and a daemon. For each that it is told, it makes an answer to a commit say `io error`.
func between(t *testing.T, d *cairntest.Daemon, spoil *atomic.Int64) (socket string) {
	listener, err := net.Listen("unix", filepath.Join(d.Directory, "between"))
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			daemon, err := net.Dial("unix", d.Socket)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				io.Copy(daemon, client)
				daemon.(*net.UnixConn).CloseWrite()
			}()
			go func() {
				defer client.Close()
				defer daemon.Close()
				header := make([]byte, 32)
				for {
					if _, err := io.ReadFull(daemon, header); err != nil {
						return
					}
					body := make([]byte, binary.LittleEndian.Uint32(header[4:]))
					if _, err := io.ReadFull(daemon, body); err != nil {
						return
					}
					if header[1] == 0xa1 && spoil.Add(-1) >= 0 {
						header[3] = byte(cairn.StatusIOError)
					}
					client.Write(append(header, body...))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// A write under a claim of which the daemon does not know whether it is applied is found out about.
func TestAnIOErrorIsFoundOutAbout(t *testing.T) {
	ctx := context.Background()
	d := cairntest.Start(t)
	var spoil atomic.Int64
	c, err := cairn.Open(ctx, cairn.Options{Socket: between(t, d, &spoil)})
	must(t, err)
	defer c.Close()
	ch := c.Chain("default")
	_, err = ch.Claim(ctx, cairn.ClaimOptions{})
	must(t, err)
	for i := range uint64(20) {
		spoil.Store(int64(i % 3))
		result, err := ch.Commit(ctx, &cairn.CommitRequest{ExpectedHeight: &i, RiseTo: i + 1})
		must(t, err)
		if result.Repeated != (i%3 != 0) {
			t.Fatal(i, result)
		}
		spoil.Store(0)
	}
	if height, err := ch.Height(ctx); err != nil || height != 20 {
		t.Fatal(height, err)
	}
}
