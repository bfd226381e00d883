// Command evnode is a small ev-node whose application is a map in memory, to show how a node keeps its data in cairn.
//
// An aggregator, which produces blocks, on the chain "aggregator" of a daemon:
//
//	evnode -home ./a -socket ./cairnd.sock -chain aggregator
//
// It prints where peers reach it. A full node beside it, on a chain of its own in the same daemon:
//
//	evnode -home ./f -socket ./cairnd.sock -chain full -genesis ./a/config/genesis.json -peer /ip4/127.0.0.1/tcp/…/p2p/…
//
// With -store badger the same node keeps its data below home, as ev-node does by default. There is no DA layer: the aggregator has
// a dummy one in memory, and the full node gets its blocks from its peer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/evstack/ev-node/test/testda"
	"github.com/rs/zerolog"
)

// claimWait is how long a node waits for its chain while another holds it. A node that was killed holds it for the daemon's claim_grace,
// 5 s by default.
const claimWait = 15 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "evnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	kind := flag.String("store", "cairnstore", "where the data is: cairnstore, cairnds or badger")
	socket := flag.String("socket", "/run/cairn/cairnd.sock", "socket of cairnd")
	chain := flag.String("chain", "default", "chain in cairnd; each node has one of its own")
	peer := flag.String("peer", "", "multiaddress of a node to get blocks from")
	options := nodeOptions{Logger: zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr}).With().Timestamp().Logger()}
	flag.StringVar(&options.Home, "home", "./evnode", "directory of the node's key, and of its data with -store badger")
	flag.StringVar(&options.Genesis, "genesis", "", "genesis file of the aggregator to follow; without it this node is the aggregator")
	flag.StringVar(&options.Listen, "listen", "/ip4/127.0.0.1/tcp/0", "multiaddress for peers")
	flag.StringVar(&options.RPC, "rpc", "127.0.0.1:0", "address of ev-node's RPC")
	flag.DurationVar(&options.BlockTime, "block-time", time.Second, "time between blocks")
	verbose := flag.Bool("v", false, "print ev-node's log of each block")
	flag.Parse()
	if !*verbose {
		options.Logger = options.Logger.Level(zerolog.WarnLevel)
	}
	if *peer != "" {
		options.Peers = []string{*peer}
	}
	if options.Genesis == "" {
		da := testda.New()
		defer da.StartHeightTicker(options.BlockTime)()
		options.DA = da
	}

	opening, opened := context.WithTimeout(ctx, claimWait)
	defer opened()
	var err error
	if options.Database, err = openStore(opening, *kind, options.Home, *socket, *chain); err != nil {
		return err
	}
	n, err := newNode(options)
	if err != nil {
		return errors.Join(err, options.Database.Close())
	}
	fmt.Println("peers reach this node at", n.Address)
	go report(ctx, n)
	return n.Run(ctx)
}

// report submits a transaction a second, which an aggregator puts into a block, and tells every ten seconds how far the node is.
func report(ctx context.Context, n *exampleNode) {
	for second := 0; ; second++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		if n.Aggregator {
			n.Executor.Submit("second", strconv.Itoa(second))
		}
		if second%10 == 0 {
			fmt.Println(n.Executor)
		}
	}
}
