package cairn

import "encoding/binary"

// The replies. Each decoder tells by false that the body is malformed; byte fields are parts of the body.

type replyHeader struct {
	kind           frameType // of the request
	flags          uint8
	status         Status
	length         int
	id             uint64
	writtenThrough uint64
}

// decodeReplyHeader needs replyHeaderBytes.
func decodeReplyHeader(b []byte) (h replyHeader, ok bool) {
	if b[0] != frameMagic || b[1]&replyBit == 0 || b[2]&^(flagContinued|flagMore) != 0 {
		return replyHeader{}, false
	}
	return replyHeader{
		kind:           frameType(b[1] &^ replyBit),
		flags:          b[2],
		status:         Status(b[3]),
		length:         int(binary.LittleEndian.Uint32(b[4:])),
		id:             binary.LittleEndian.Uint64(b[8:]),
		writtenThrough: binary.LittleEndian.Uint64(b[16:]),
	}, true
}

type helloReply struct {
	version, features uint64
	daemonVersion     string
	storeID           [16]byte
	run, random       uint64
	metadataOnDisk    uint64
	limits            Limits
	storeChanged      bool
}

func decodeHello(b []byte) (h helloReply, ok bool) {
	ok = decode(b, func(f *field) bool {
		switch f.number {
		case 3, 4:
			if f.wire != wireBytes {
				return false
			}
			if f.number == 3 {
				h.daemonVersion = string(f.bytes)
			} else if len(f.bytes) != len(h.storeID) {
				return false
			} else {
				copy(h.storeID[:], f.bytes)
			}
			return true
		case 1:
			h.version = f.uint
		case 2:
			h.features = f.uint
		case 5:
			h.run = f.uint
		case 6:
			h.metadataOnDisk = f.uint
		case 7:
			h.limits.FrameBytesMax = f.uint
		case 8:
			h.limits.ValueBytesMax = f.uint
		case 9:
			h.limits.WindowBytesMax = f.uint
		case 10:
			h.random = f.uint
		case 11:
			h.storeChanged = f.uint != 0
		default:
			return true
		}
		return f.wire == wireVarint
	})
	return h, ok && h.version == 1 && h.limits.FrameBytesMax > 0
}

func decodeError(b []byte) (e Error, ok bool) {
	ok = decode(b, func(f *field) bool {
		switch f.number {
		case 1:
			e.Text = string(f.bytes)
			return f.wire == wireBytes
		case 2:
			if f.uint < 256 {
				e.Reason = Reason(f.uint)
			}
			return f.wire == wireVarint
		case 3:
			e.LastNumber, e.hasLastNumber = f.uint, true
			return f.wire == wireVarint
		}
		return true
	})
	return e, ok
}

func decodeWriteReply(b []byte) (r WriteResult, created, ok bool) {
	for len(b) > 0 {
		f, rest, fine := nextField(b)
		if !fine || (f.number <= 9 && f.wire != wireVarint) {
			return WriteResult{}, false, false
		}
		b = rest
		switch f.number {
		case 1:
			r.Sequence = f.uint
		case 2:
			r.Level = Level(f.uint)
		case 3:
			created = f.uint != 0
		case 4:
			r.Blocks = f.uint
		case 5:
			r.States = f.uint
		case 6:
			r.Metadata = f.uint
		case 7:
			r.Lowered = f.uint
		case 9:
			r.Repeated = f.uint != 0
		}
	}
	return r, created, true
}

// decodeUint gives the first field of a message of one number.
func decodeUint(b []byte, number int) (v uint64, ok bool) {
	ok = decode(b, func(f *field) bool {
		if f.number != number {
			return true
		}
		v = f.uint
		return f.wire == wireVarint
	})
	return v, ok
}

func decodeBlock(b []byte) (block Block, ok bool) {
	for len(b) > 0 {
		f, rest, fine := nextField(b)
		if !fine || (f.number <= 2 && f.wire != wireVarint) || (f.number >= 3 && f.number <= 6 && f.wire != wireBytes) {
			return Block{}, false
		}
		b = rest
		switch f.number {
		case 1:
			block.Height = f.uint
		case 2:
			block.Absent = f.uint != 0
		case 3:
			block.Header = f.bytes
		case 4:
			block.Data = f.bytes
		case 5:
			block.Signature = f.bytes
		case 6:
			block.Hash = f.bytes
		}
	}
	return block, true
}

func decodeState(b []byte) (s State, ok bool) {
	s.Value = []byte{}
	for len(b) > 0 {
		f, rest, fine := nextField(b)
		if !fine || (f.number == 1 && f.wire != wireVarint) || (f.number == 2 && f.wire != wireBytes) {
			return State{}, false
		}
		b = rest
		switch f.number {
		case 1:
			s.Height = f.uint
		case 2:
			s.Value = f.bytes
		}
	}
	return s, true
}

// metadataReply is a Metadata whose name and value are parts of the body.
type metadataReply struct {
	name, value    []byte // value is nil if there is none in the reply
	ofHeight, size uint64
	absent         bool
}

func decodeMetadata(b []byte) (m metadataReply, ok bool) {
	for len(b) > 0 {
		f, rest, fine := nextField(b)
		isBytes := f.number == 1 || f.number == 3
		if !fine || (isBytes && f.wire != wireBytes) || (!isBytes && f.number <= 5 && f.wire != wireVarint) {
			return metadataReply{}, false
		}
		b = rest
		switch f.number {
		case 1:
			m.name = f.bytes
		case 2:
			m.absent = f.uint != 0
		case 3:
			m.value = f.bytes
		case 4:
			m.ofHeight = f.uint
		case 5:
			m.size = f.uint
		}
	}
	return m, true
}

func decodeChains(b []byte) (chains []ChainInfo, ok bool) {
	ok = decode(b, func(f *field) bool {
		if f.number != 1 {
			return true
		}
		chain, fine := decodeChain(f.bytes)
		chains = append(chains, chain)
		return fine && f.wire == wireBytes
	})
	return chains, ok
}

func decodeChain(b []byte) (c ChainInfo, ok bool) {
	var claim ClaimInfo
	claimed := false
	ok = decode(b, func(f *field) bool {
		switch f.number {
		case 1, 6:
			if f.number == 1 {
				c.Name = string(f.bytes)
			} else {
				claim.Writer = string(f.bytes)
			}
			return f.wire == wireBytes
		case 2:
			c.Height = f.uint
		case 3:
			c.BlocksPrunedThrough = f.uint
		case 4:
			c.StatesPruned, c.StatesPrunedThrough = true, f.uint
		case 5:
			claimed, claim.Sequence = true, f.uint
		case 7:
			claim.UID = uint32(f.uint)
		case 8:
			claim.PID = uint32(f.uint)
		case 9:
			claim.Held = f.uint != 0
		default:
			return true
		}
		return f.wire == wireVarint
	})
	if claimed {
		c.Claim = &claim
	}
	return c, ok
}

func decodeStatus(b []byte) (entries []StatusEntry, ok bool) {
	ok = decode(b, func(f *field) bool {
		if f.number != 1 {
			return true
		}
		var entry StatusEntry
		fine := decode(f.bytes, func(g *field) bool {
			switch g.number {
			case 1:
				entry.Name = string(g.bytes)
				return g.wire == wireBytes
			case 2:
				entry.Number = g.uint
				return g.wire == wireVarint
			case 3:
				entry.Text = string(g.bytes)
				return g.wire == wireBytes
			}
			return true
		})
		entries = append(entries, entry)
		return fine && f.wire == wireBytes
	})
	return entries, ok
}

// decodeClaim gives the epoch of the reply to a claim.
func decodeClaim(b []byte) (epoch Epoch, ok bool) {
	ok = decode(b, func(f *field) bool {
		if f.number != 3 {
			return true
		}
		return f.wire == wireBytes && decode(f.bytes, func(g *field) bool {
			switch g.number {
			case 1:
				epoch.Sequence = g.uint
				return g.wire == wireVarint
			case 2:
				epoch.random = g.uint
				return g.wire == wireFixed64
			}
			return true
		})
	})
	return epoch, ok && epoch.random != 0
}
