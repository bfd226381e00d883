package main

import (
	"context"
	"testing"

	"github.com/celestiaorg/go-header/store"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
	"cairn.invalid/client/go/cairnds"
)

// Each run goes on behind the headers of the run before, also when the daemon was killed between them.
func TestHeadersStay(t *testing.T) {
	ctx := context.Background()
	daemon := cairntest.Start(t)
	for range 3 {
		if err := run(ctx, daemon.Socket, "headers", 100); err != nil {
			t.Fatal(err)
		}
		daemon.Restart()
	}

	client, err := cairn.Open(ctx, cairn.Options{Socket: daemon.Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	headers, err := store.NewStore[*exampleHeader](cairnds.New(client, "headers"))
	if err != nil {
		t.Fatal(err)
	}
	if err := headers.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer headers.Stop(ctx)
	all, err := headers.GetRange(ctx, 1, 301)
	if err != nil || len(all) != 300 {
		t.Fatalf("%d headers, %v", len(all), err)
	}
	for i, h := range all[1:] {
		if err := all[i].Verify(h); err != nil {
			t.Fatal(err)
		}
	}
}
