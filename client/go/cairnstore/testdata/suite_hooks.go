package suite

// Put beside the tests of each of ev-node's packages by scripts/evnode-suites.sh.

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	ds "github.com/ipfs/go-datastore"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairnstore"
	"github.com/evstack/ev-node/pkg/store"
)

var cairnChains atomic.Uint64

// cairnMap stands around each map that a test makes.
var cairnMap func(*ds.MapDatastore) ds.Batching

func init() {
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: os.Getenv("CAIRN_SUITE_SOCKET"), Name: "suite"})
	if err != nil {
		panic(err)
	}
	// A database is a chain of its own; one with a path is the same chain when it is opened again.
	open := func(path string) (ds.Batching, error) {
		chain := fmt.Sprintf("n%d-%d-%d", os.Getpid(), time.Now().UnixNano(), cairnChains.Add(1))
		if path != "" {
			chain = fmt.Sprintf("p%.16x", sha256.Sum256([]byte(path)))
		}
		db, err := cairnstore.Open(context.Background(), client, chain, cairnstore.Options{TakeOver: true})
		if err != nil {
			return nil, err
		}
		return db, nil
	}
	store.KVHook = open
	cairnMap = func(*ds.MapDatastore) ds.Batching {
		db, err := open("")
		if err != nil {
			panic(err)
		}
		return db
	}
	if os.Getenv("CAIRN_SUITE_KIND") == "store" {
		store.StoreHook = func(db ds.Batching) store.Store {
			for {
				if d, ok := db.(*cairnstore.Datastore); ok {
					return d.Store()
				}
				shim, ok := db.(ds.Shim)
				if !ok || len(shim.Children()) != 1 {
					return nil
				}
				if db, ok = shim.Children()[0].(ds.Batching); !ok {
					return nil
				}
			}
		}
	}
}
