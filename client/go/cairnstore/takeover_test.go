package cairnstore

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/evstack/ev-node/pkg/store"
	"github.com/evstack/ev-node/types"
	ds "github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairntest"
)

// Another client takes the chain over and writes: what the first one has in memory is not said any more, from the very first read on.
func TestTakeOverEmptiesCaches(t *testing.T) {
	d := cairntest.Start(t)
	ctx := testContext(t)
	first := openDatastore(t, openClient(t, d), Options{}).store
	headers := saveBlocks(t, first, 1, 3)
	require.NoError(t, first.SetMetadata(ctx, "k", number(1)))
	for range 2 {
		for _, header := range headers {
			requireBlock(t, first, header)
		}
		value, err := first.GetMetadata(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, number(1), value)
		_, err = first.GetMetadata(ctx, "absent")
		requireAbsent(t, err)
	}
	require.Equal(t, 9, first.blocks.entries.Len()) // all of this came from memory
	require.Equal(t, 2, first.names.entries.Len())

	second := openDatastore(t, openClient(t, d), Options{TakeOver: true}).store
	require.NoError(t, second.Rollback(ctx, 2, false))
	headers[2] = saveBlocks(t, second, 3, 3)[0]
	require.NoError(t, second.SetMetadata(ctx, "k", number(2)))
	require.NoError(t, second.SetMetadata(ctx, "absent", number(3)))
	for range 2 {
		for _, header := range headers {
			requireBlock(t, first, header)
		}
		for key, want := range map[string]uint64{"k": 2, "absent": 3} {
			value, err := first.GetMetadata(ctx, key)
			require.NoError(t, err)
			require.Equal(t, number(want), value)
		}
	}
	require.Zero(t, first.blocks.entries.Len())
	require.Zero(t, first.names.entries.Len())
}

// Two clients take the chain from each other in turn and count one name and one block up, while others read both from either's
// memory, and while the daemon is killed now and then: nobody reads less than had been written when the read began. (What is only accepted
// when the daemon is killed its writer sends again: until then others do not see it. So it is written before that.)
func TestTakeOversNeverOld(t *testing.T) {
	const rounds, writes, readers = 6, 30, 2
	d := cairntest.Start(t)
	ctx := testContext(t)
	var written atomic.Uint64 // what the last write that was answered wrote
	var ended atomic.Bool
	var group sync.WaitGroup
	defer func() { ended.Store(true); group.Wait() }()

	value := func(b []byte, err error) (uint64, error) {
		if errors.Is(err, ds.ErrNotFound) {
			return 0, nil
		}
		if err != nil || len(b) != 8 {
			return 0, errors.Join(err, errors.New("the value cannot be read"))
		}
		return binary.LittleEndian.Uint64(b), nil
	}
	read := func(s *Store, wanted func() (uint64, error)) {
		for !ended.Load() {
			least := written.Load()
			got, err := wanted()
			if err != nil {
				t.Errorf("a read failed: %v", err)
				return
			}
			if got < least {
				t.Errorf("a read says %d after the answer to the write of %d", got, least)
				return
			}
		}
	}
	clients := [2]*cairn.Client{openClient(t, d), openClient(t, d)}
	for round := range rounds {
		client := clients[round%2]
		s := openDatastore(t, client, Options{TakeOver: true}).store // it is read to the end, also when it has lost the chain
		for range readers {
			group.Go(func() {
				read(s, func() (uint64, error) { return value(s.GetMetadata(ctx, "k")) })
			})
			group.Go(func() {
				read(s, func() (uint64, error) {
					_, data, err := s.GetBlockData(ctx, 1)
					if err != nil {
						return value(nil, err)
					}
					return value(data.Txs[0], nil)
				})
			})
		}
		for range writes {
			n := written.Load() + 1
			header, data := types.GetRandomBlock(1, 1, "test")
			data.Txs[0] = number(n)
			batch, err := s.NewBatch(ctx)
			require.NoError(t, err)
			require.NoError(t, batch.SaveBlockData(header, data, &header.Signature))
			require.NoError(t, batch.Commit())
			require.NoError(t, s.BatchMetadata(ctx, []store.MetadataKV{{Key: "k", Value: number(n)}}, nil))
			written.Store(n)
		}
		if round%3 == 2 {
			require.NoError(t, client.Barrier(ctx, cairn.LevelWritten))
			d.Restart()
		}
	}
}

// A node saves blocks and metadata, and reads them, while its daemon is killed again and again: no call fails, nothing is missing, and
// what was read before is not read older.
func TestStoreUnderKills(t *testing.T) {
	const kills, blocks, marks = 4, 120, 400
	s, d := newStore(t)
	ctx := testContext(t)
	var group sync.WaitGroup
	group.Go(func() {
		for height := uint64(1); height <= blocks; height++ {
			header := saveBlocks(t, s, height, height)[0]
			got, err := s.GetHeader(ctx, height)
			if err != nil || string(got.Hash()) != string(header.Hash()) {
				t.Errorf("block %d is not what was saved: %v", height, err)
			}
			state, err := s.GetState(ctx)
			if err != nil || state.LastBlockHeight != height {
				t.Errorf("behind block %d the state is of %d: %v", height, state.LastBlockHeight, err)
			}
		}
	})
	group.Go(func() {
		for n := uint64(1); n <= marks; n++ {
			err := s.SetMetadata(ctx, "d", number(n))
			if err == nil {
				var value []byte
				if value, err = s.GetMetadata(ctx, "d"); err == nil && binary.LittleEndian.Uint64(value) != n {
					t.Errorf("d is %d, behind the write of %d", binary.LittleEndian.Uint64(value), n)
				}
			}
			if err != nil {
				t.Errorf("d at %d: %v", n, err)
			}
		}
	})
	for range kills {
		height, err := s.Height(ctx) // so that each run of the daemon sees some of it
		require.NoError(t, err)
		for want := min(height+blocks/kills/2, blocks); height < want && !t.Failed(); {
			height, err = s.Height(ctx)
			require.NoError(t, err)
		}
		d.Restart()
	}
	group.Wait()
	require.False(t, t.Failed())
	requireHeight(t, s, blocks)
	for height := uint64(1); height <= blocks; height++ {
		_, _, err := s.GetBlockData(ctx, height)
		require.NoError(t, err)
	}
	value, err := s.GetMetadata(ctx, "d")
	require.NoError(t, err)
	require.Equal(t, number(marks), value)
}
