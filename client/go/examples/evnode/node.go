package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evstack/ev-node/block"
	coresequencer "github.com/evstack/ev-node/core/sequencer"
	"github.com/evstack/ev-node/node"
	"github.com/evstack/ev-node/pkg/config"
	"github.com/evstack/ev-node/pkg/genesis"
	"github.com/evstack/ev-node/pkg/p2p"
	"github.com/evstack/ev-node/pkg/p2p/key"
	"github.com/evstack/ev-node/pkg/sequencers/single"
	"github.com/evstack/ev-node/pkg/signer"
	"github.com/evstack/ev-node/pkg/signer/noop"
	"github.com/evstack/ev-node/types"
	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p"
	"github.com/rs/zerolog"
)

// nodeOptions says what a node is made of.
type nodeOptions struct {
	Home      string             // key, and for an aggregator the genesis it makes
	Database  ds.Batching        // where the node keeps everything; the node closes it when it ends
	Genesis   string             // the aggregator's genesis file; empty makes this node the aggregator
	Peers     []string           // multiaddresses of nodes to connect to
	DA        block.FullDAClient // nil in a full node: blocks come from peers alone
	Listen    string             // multiaddress for peers
	RPC       string             // host:port of ev-node's RPC
	BlockTime time.Duration
	Logger    zerolog.Logger
}

// exampleNode is a node with its parts that a caller wants to see.
type exampleNode struct {
	*node.FullNode
	Executor   *mapExecutor
	Aggregator bool   // it produces the blocks
	Address    string // multiaddress under which peers reach it
	Genesis    string // path of its genesis file
}

// newNode builds a node from the parts that ev-node's own start command uses. Only Database differs between Badger and cairn.
func newNode(o nodeOptions) (*exampleNode, error) {
	nodeKey, err := key.LoadOrGenNodeKey(o.Home)
	if err != nil {
		return nil, err
	}
	aggregator := o.Genesis == ""
	var signer signer.Signer
	if aggregator {
		if signer, err = noop.NewNoopSigner(nodeKey.PrivKey); err != nil {
			return nil, err
		}
		o.Genesis = genesis.GenesisPath(o.Home)
		err = genesis.CreateGenesis(o.Home, "example", 1, types.KeyAddress(nodeKey.PubKey))
		if err != nil && !errors.Is(err, genesis.ErrGenesisExists) {
			return nil, err
		}
	}
	gen, err := genesis.LoadGenesis(o.Genesis)
	if err != nil {
		return nil, err
	}

	conf := config.DefaultConfig()
	conf.RootDir = o.Home
	conf.Node.Aggregator = aggregator
	conf.Node.BlockTime.Duration = o.BlockTime
	conf.Node.ScrapeInterval.Duration = o.BlockTime
	conf.DA.BlockTime.Duration = o.BlockTime
	conf.P2P.ListenAddress = o.Listen
	conf.P2P.Peers = strings.Join(o.Peers, ",")
	conf.RPC.Address = o.RPC

	host, err := libp2p.New(libp2p.Identity(nodeKey.PrivKey), libp2p.ListenAddrStrings(o.Listen))
	if err != nil {
		return nil, err
	}
	p2pClient, err := p2p.NewClientWithHost(conf.P2P, nodeKey.PrivKey, o.Database, gen.ChainID, o.Logger, nil, host)
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	executor := newMapExecutor()
	var sequencer coresequencer.Sequencer
	if aggregator {
		sequencer, err = single.NewSequencer(o.Logger, o.Database, o.DA, conf, []byte(gen.ChainID), 1000, gen, executor)
		if err != nil {
			return nil, errors.Join(err, host.Close())
		}
	}
	n, err := node.NewNode(conf, executor, sequencer, o.DA, signer, p2pClient, gen, o.Database,
		node.DefaultMetricsProvider(conf.Instrumentation), o.Logger, node.NodeOptions{})
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	return &exampleNode{
		FullNode:   n.(*node.FullNode),
		Executor:   executor,
		Aggregator: aggregator,
		Address:    fmt.Sprintf("%s/p2p/%s", host.Addrs()[0], host.ID()),
		Genesis:    o.Genesis,
	}, nil
}
