package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/evstack/ev-node/pkg/store"
	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairnds"
	"cairn.invalid/client/go/cairnstore"
)

// openStore opens what a node keeps its data in. Kind badger is ev-node's own, in the directory home. The others are the chain of that
// name in the daemon behind socket: cairnstore keeps blocks as blocks, cairnds a name for each key. The node closes the store when
// it ends. The chain is claimed until then, so that a second node cannot use it; while another holds it, openStore says so
// and waits until ctx ends.
func openStore(ctx context.Context, kind, home, socket, chain string) (ds.Batching, error) {
	if kind == "badger" {
		return store.NewDefaultKVStore(home, "data", "evnode")
	}
	client, err := cairn.Open(ctx, cairn.Options{Socket: socket, Name: "evnode", Logger: slog.Default()})
	if err != nil {
		return nil, err
	}
	var database ds.Batching
	switch kind {
	case "cairnds":
		database, err = cairnds.Open(ctx, client, chain, cairnds.Options{})
	case "cairnstore":
		database, err = cairnstore.Open(ctx, client, chain, cairnstore.Options{})
	default:
		err = fmt.Errorf("there is no store %q: it is cairnstore, cairnds or badger", kind)
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return ownStore{database, client}, nil
}

// ownStore is a datastore that has its client to itself, and closes it too.
type ownStore struct {
	ds.Batching
	client *cairn.Client
}

func (s ownStore) Close() error {
	return errors.Join(s.Batching.Close(), s.client.Close())
}
