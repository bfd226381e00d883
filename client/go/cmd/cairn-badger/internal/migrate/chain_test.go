package migrate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
	"cairn.invalid/client/go/cmd/cairn-badger/internal/nodetest"
)

// A node that runs on the chain keeps an import and an export out; they say who it is, and write nothing.
func TestClaimed(t *testing.T) {
	claimWait = 20 * time.Millisecond
	ctx := context.Background()
	daemon := cairntest.Start(t)
	clients := [2]*cairn.Client{}
	for at := range clients {
		client, err := cairn.Open(ctx, cairn.Options{Socket: daemon.Socket})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		clients[at] = client
	}
	if _, err := clients[0].Chain("default").Claim(ctx, cairn.ClaimOptions{WriterName: "a node"}); err != nil {
		t.Fatal(err)
	}
	source, survey := survey(t, nodetest.Node{Layout: evnode.Full, Seed: 1, Height: 3})
	importer := Importer{Client: clients[1], Chain: "default", Source: source, Survey: survey, Say: t.Logf}
	_, err := importer.Run(ctx)
	if !errors.Is(err, cairn.ErrClaimed) || !strings.Contains(err.Error(), "a node") {
		t.Error(err)
	}
	exporter := Exporter{Client: clients[1], Chain: "default", Dir: t.TempDir(), Layout: evnode.Full, Say: t.Logf}
	if _, err := exporter.Run(ctx); !errors.Is(err, cairn.ErrClaimed) {
		t.Error(err)
	}
	if what, err := blocksIn(ctx, clients[1].Chain("default")); what != "" || err != nil {
		t.Error(what, err)
	}
}
