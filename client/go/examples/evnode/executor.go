package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/evstack/ev-node/core/execution"
)

var (
	_ execution.Executor       = (*mapExecutor)(nil)
	_ execution.HeightProvider = (*mapExecutor)(nil)
)

// mapExecutor is the application: a map in memory. A transaction is "key=value". The state root after a block is a hash over the
// root before it and the block's transactions, so that each node which executed the same blocks has the same root. The map dies with
// the process; ev-node then replays the blocks of its store, because the executor tells its height.
type mapExecutor struct {
	mu      sync.Mutex
	height  uint64
	values  map[string]string
	mempool map[string]struct{}
}

func newMapExecutor() *mapExecutor {
	return &mapExecutor{values: map[string]string{}, mempool: map[string]struct{}{}}
}

// Submit puts a transaction into the mempool, where it stays until a block contains it.
func (e *mapExecutor) Submit(key, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mempool[key+"="+value] = struct{}{}
}

// Values returns a copy of the map.
func (e *mapExecutor) Values() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.values)
}

// InitChain returns the root of the empty map.
func (e *mapExecutor) InitChain(_ context.Context, _ time.Time, _ uint64, chainID string) ([]byte, error) {
	root := sha256.Sum256([]byte(chainID))
	return root[:], nil
}

// GetTxs returns what is in the mempool, in the order of the bytes.
func (e *mapExecutor) GetTxs(context.Context) ([][]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var txs [][]byte
	for _, tx := range slices.Sorted(maps.Keys(e.mempool)) {
		txs = append(txs, []byte(tx))
	}
	return txs, nil
}

// ExecuteTxs sets the keys of txs. The result depends on its arguments alone, so a block that is executed again gets the same root.
func (e *mapExecutor) ExecuteTxs(
	_ context.Context, txs [][]byte, height uint64, _ time.Time, prevRoot []byte,
) (execution.ExecuteResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	hash := sha256.New()
	hash.Write(prevRoot)
	for _, tx := range txs {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(tx))))
		hash.Write(tx)
		if key, value, ok := bytes.Cut(tx, []byte("=")); ok {
			e.values[string(key)] = string(value)
		}
		delete(e.mempool, string(tx))
	}
	e.height = height
	return execution.ExecuteResult{UpdatedStateRoot: hash.Sum(nil)}, nil
}

// SetFinal does nothing: the map keeps no earlier state that could go.
func (e *mapExecutor) SetFinal(context.Context, uint64) error { return nil }

// GetExecutionInfo says that there is no gas.
func (e *mapExecutor) GetExecutionInfo(context.Context) (execution.ExecutionInfo, error) {
	return execution.ExecutionInfo{}, nil
}

// FilterTxs takes transactions up to maxBytes, postpones the rest, and removes those that are no "key=value".
func (e *mapExecutor) FilterTxs(
	_ context.Context, txs [][]byte, maxBytes, _ uint64, _ bool,
) ([]execution.FilterStatus, error) {
	statuses := make([]execution.FilterStatus, len(txs))
	var size uint64
	for i, tx := range txs {
		length := uint64(len(tx))
		switch {
		case !bytes.Contains(tx, []byte("=")) || maxBytes > 0 && length > maxBytes:
			statuses[i] = execution.FilterRemove
		case maxBytes > 0 && size+length > maxBytes:
			statuses[i] = execution.FilterPostpone
			size = maxBytes // what follows waits too, so the order is kept
		default:
			size += length
		}
	}
	return statuses, nil
}

// GetLatestHeight returns the height of the last block executed, 0 for none.
func (e *mapExecutor) GetLatestHeight(context.Context) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.height, nil
}

func (e *mapExecutor) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprintf("%d keys at height %d", len(e.values), e.height)
}
