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
	switch kind {
	case "cairnds":
		var database *cairnds.Datastore
		if database, err = cairnds.Open(ctx, client, chain, cairnds.Options{}); err == nil {
			return ownDatastore{database, client}, nil
		}
	case "cairnstore":
		var database *cairnstore.Datastore
		if database, err = cairnstore.Open(ctx, client, chain, cairnstore.Options{}); err == nil {
			return ownStore{database, client}, nil
		}
	default:
		err = fmt.Errorf("there is no store %q: it is cairnstore, cairnds or badger", kind)
	}
	return nil, errors.Join(err, client.Close())
}

// ownDatastore and ownStore have their client to themselves, and close it too. They embed the types, and not ds.Batching, which would hide
// what else these can do: transactions, the disk usage, and the node's store (see client/go/UPSTREAM.md).
type ownDatastore struct {
	*cairnds.Datastore
	client *cairn.Client
}

func (d ownDatastore) Close() error {
	return errors.Join(d.Datastore.Close(), d.client.Close())
}

type ownStore struct {
	*cairnstore.Datastore
	client *cairn.Client
}

func (s ownStore) Close() error {
	return errors.Join(s.Datastore.Close(), s.client.Close())
}
