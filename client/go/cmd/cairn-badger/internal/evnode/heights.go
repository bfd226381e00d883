package evnode

import (
	"iter"
	"maps"
	"math/bits"
	"slices"
)

// Heights is a set of heights: a bit each, in pieces of 4,096 heights, so that 100 million in a row take 13 MB.
// The zero value is empty and ready to use. It is not safe for concurrent changes.
type Heights struct {
	pieces map[uint64]*piece
	count  uint64
	last   *piece // the piece changed last, since heights come in runs
	lastAt uint64
}

const (
	pieceBits  = 12
	pieceWords = 1 << pieceBits / 64
)

type piece [pieceWords]uint64

// Add puts a height into the set.
func (s *Heights) Add(height uint64) {
	number := height >> pieceBits
	if s.last == nil || s.lastAt != number {
		if s.pieces == nil {
			s.pieces = map[uint64]*piece{}
		}
		if s.pieces[number] == nil {
			s.pieces[number] = new(piece)
		}
		s.last, s.lastAt = s.pieces[number], number
	}
	word, bit := &s.last[height>>6%pieceWords], uint64(1)<<(height&63)
	if *word&bit == 0 {
		*word |= bit
		s.count++
	}
}

// Has says whether a height is in the set.
func (s *Heights) Has(height uint64) bool {
	piece := s.pieces[height>>pieceBits]
	return piece != nil && piece[height>>6%pieceWords]>>(height&63)&1 == 1
}

// Count is how many heights are in the set.
func (s *Heights) Count() uint64 { return s.count }

// From gives the heights from the given one on, in rising order.
func (s *Heights) From(from uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		order := slices.Sorted(maps.Keys(s.pieces))
		first, _ := slices.BinarySearch(order, from>>pieceBits)
		for _, number := range order[first:] {
			for at, word := range s.pieces[number] {
				for ; word != 0; word &= word - 1 {
					height := number<<pieceBits | uint64(at)<<6 | uint64(bits.TrailingZeros64(word))
					if height >= from && !yield(height) {
						return
					}
				}
			}
		}
	}
}

// First is the lowest height; false where there is none.
func (s *Heights) First() (uint64, bool) {
	for height := range s.From(0) {
		return height, true
	}
	return 0, false
}

// Last is the highest height; false where there is none.
func (s *Heights) Last() (uint64, bool) {
	if s.count == 0 {
		return 0, false
	}
	var last uint64
	for height := range s.From(slices.Max(slices.Collect(maps.Keys(s.pieces))) << pieceBits) {
		last = height
	}
	return last, true
}

// Union is a set of the heights of all the given ones.
func Union(sets ...*Heights) *Heights {
	union := &Heights{pieces: map[uint64]*piece{}}
	for _, set := range sets {
		for number, bitmap := range set.pieces {
			if union.pieces[number] == nil {
				union.pieces[number] = new(piece)
			}
			for at := range bitmap {
				union.pieces[number][at] |= bitmap[at]
			}
		}
	}
	for _, bitmap := range union.pieces {
		for _, word := range bitmap {
			union.count += uint64(bits.OnesCount64(word))
		}
	}
	return union
}
