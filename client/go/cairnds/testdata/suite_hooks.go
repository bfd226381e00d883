package suite

// Put beside the tests of each of go-header's packages by scripts/evnode-suites.sh.

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairnds"
)

var (
	cairnClient *cairn.Client
	cairnChains atomic.Uint64
)

func init() {
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: os.Getenv("CAIRN_SUITE_SOCKET"), Name: "suite"})
	if err != nil {
		panic(err)
	}
	cairnClient = client
}

// cairnMap gives a chain of its own in place of each map that a test makes.
func cairnMap(*ds.MapDatastore) ds.Batching {
	d, err := cairnds.Open(context.Background(), cairnClient, fmt.Sprintf("n%d-%d", os.Getpid(), cairnChains.Add(1)), cairnds.Options{})
	if err != nil {
		panic(err)
	}
	return d
}
