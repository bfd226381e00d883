package cairn

// The requests, each into a buffer that is overwritten and grows. The chain is always named.

func encodeChainOnly(b []byte, kind frameType, chain string) []byte {
	b = appendString(beginFrame(b, kind), 1, chain)
	endFrame(b)
	return b
}

func encodeEmpty(b []byte, kind frameType) []byte {
	b = beginFrame(b, kind)
	endFrame(b)
	return b
}

// resume is what a client knows of the run that it was connected to before.
type resume struct {
	run, random uint64 // 0: there was none
}

func encodeHello(b []byte, name string, r resume) []byte {
	b = beginFrame(b, frameHello)
	b = appendUint(b, 1, 1)
	b = appendUint(b, 2, 1)
	b = appendUint(b, 3, featuresWanted)
	b = appendStringIf(b, 4, name)
	if r.random != 0 {
		b = appendUint(b, 5, r.run)
		b = appendUint(b, 6, r.random)
	}
	setFrameID(b, 1)
	endFrame(b)
	return b
}

func encodeReadBlock(b []byte, chain string, height uint64, hash []byte, parts BlockParts) []byte {
	b = appendString(beginFrame(b, frameReadBlock), 1, chain)
	if hash != nil {
		b = appendBytes(b, 3, hash)
	} else {
		b = appendUint(b, 2, height)
	}
	b = appendUintIf(b, 4, uint64(parts))
	endFrame(b)
	return b
}

func encodeReadBlocks(b []byte, chain string, heights []uint64, first, last uint64, parts BlockParts) []byte {
	b = appendString(beginFrame(b, frameReadBlocks), 1, chain)
	if heights != nil {
		b = appendPacked(b, 2, heights)
	} else {
		b = appendUint(b, 3, first)
		b = appendUint(b, 4, last)
	}
	b = appendUintIf(b, 5, uint64(parts))
	b = appendUint(b, 6, streamWindowBytes)
	endFrame(b)
	return b
}

func encodeReadState(b []byte, chain string, height *uint64) []byte {
	b = appendString(beginFrame(b, frameReadState), 1, chain)
	if height != nil {
		b = appendUint(b, 2, *height)
	}
	endFrame(b)
	return b
}

// metadataPartsDefault is what a daemon answers where no parts are named, and all that an earlier one can.
const metadataPartsDefault = MetadataValue | MetadataBinding

func encodeGetMetadata(b []byte, chain, name string, parts MetadataParts) []byte {
	b = appendString(beginFrame(b, frameGetMetadata), 1, chain)
	b = appendString(b, 2, name)
	if parts != metadataPartsDefault {
		b = appendUint(b, 3, uint64(parts))
	}
	endFrame(b)
	return b
}

func encodeGetMetadataMany(b []byte, chain string, names []string, parts MetadataParts) []byte {
	b = appendString(beginFrame(b, frameGetMetadataMany), 1, chain)
	for _, name := range names {
		b = appendString(b, 2, name)
	}
	b = appendUint(b, 3, streamWindowBytes)
	if parts != metadataPartsDefault {
		b = appendUint(b, 4, uint64(parts))
	}
	endFrame(b)
	return b
}

func encodeListMetadata(b []byte, chain string, r *ListRequest) []byte {
	b = appendString(beginFrame(b, frameListMetadata), 1, chain)
	b = appendStringIf(b, 2, r.Prefix)
	b = appendStringIf(b, 3, r.Start)
	b = appendUintIf(b, 4, r.Limit)
	b = appendUint(b, 5, streamWindowBytes)
	b = appendStringIf(b, 6, r.End)
	b = appendTrueIf(b, 7, r.Reverse)
	if r.Parts != metadataPartsDefault {
		b = appendUint(b, 8, uint64(r.Parts))
	}
	endFrame(b)
	return b
}

func encodeCredit(b []byte, id, bytes uint64) []byte {
	start := len(b)
	b = append(b, beginFrame(nil, frameCredit)...)
	b = appendUint(b, 1, bytes)
	setFrameID(b[start:], id)
	endFrame(b[start:])
	return b
}

func encodeCancel(b []byte, id uint64) []byte {
	start := len(b)
	b = append(b, beginFrame(nil, frameCancel)...)
	setFrameID(b[start:], id)
	return b
}

func (o *Operation) bytes() int {
	if o.kind == operationDeleteRange {
		return bytesFieldBytes(rangeBytes(o))
	}
	n := bytesFieldBytes(len(o.name))
	switch o.kind {
	case operationSet:
		n += bytesFieldBytes(len(o.value))
		if o.ofHeight != 0 {
			n += uintFieldBytes(o.ofHeight)
		}
	case operationDelete:
		n += 2
	case operationRaise:
		n += uintFieldBytes(o.number)
	}
	return n
}

func rangeBytes(o *Operation) int {
	n := 0
	if o.name != "" {
		n += bytesFieldBytes(len(o.name))
	}
	if o.to != "" {
		n += bytesFieldBytes(len(o.to))
	}
	return n
}

func appendOperation(b []byte, field int, o *Operation) []byte {
	b = appendLength(b, field, o.bytes())
	if o.kind == operationDeleteRange {
		b = appendLength(b, 6, rangeBytes(o))
		b = appendStringIf(b, 1, o.name)
		return appendStringIf(b, 2, o.to)
	}
	b = appendString(b, 1, o.name)
	switch o.kind {
	case operationSet:
		b = appendBytes(b, 2, o.value)
		b = appendUintIf(b, 5, o.ofHeight)
	case operationDelete:
		b = appendTrueIf(b, 3, true)
	case operationRaise:
		b = appendUint(b, 4, o.number)
	}
	return b
}

func appendOperations(b []byte, field int, operations []Operation) []byte {
	for i := range operations {
		b = appendOperation(b, field, &operations[i])
	}
	return b
}

// The level is left out where it is the default, as an absent one is.
func encodeWriteMetadata(b []byte, chain string, operations []Operation, level Level) []byte {
	b = appendString(beginFrame(b, frameWriteMetadata), 1, chain)
	b = appendUintIf(b, 2, uint64(level))
	b = appendOperations(b, 4, operations)
	endFrame(b)
	return b
}

// appendResendOf makes a write of metadata one that is sent again.
func appendResendOf(frame []byte, number uint64) []byte {
	frame = appendUint(frame, 5, number)
	endFrame(frame)
	return frame
}

// An absent part of a block is an empty one.
func appendBlock(b []byte, block *Block) []byte {
	n := uintFieldBytes(block.Height) + partBytes(block.Header) + partBytes(block.Data) + partBytes(block.Signature)
	if block.Hash != nil {
		n += bytesFieldBytes(len(block.Hash))
	}
	b = appendLength(b, 6, n)
	b = appendUint(b, 1, block.Height)
	b = appendPart(b, 2, block.Header)
	b = appendPart(b, 3, block.Data)
	b = appendPart(b, 4, block.Signature)
	if block.Hash != nil {
		b = appendBytes(b, 5, block.Hash)
	}
	return b
}

func partBytes(part []byte) int {
	if len(part) == 0 {
		return 0
	}
	return bytesFieldBytes(len(part))
}

func appendPart(b []byte, field int, part []byte) []byte {
	if len(part) == 0 {
		return b
	}
	return appendBytes(b, field, part)
}

func encodeCommit(b []byte, chain string, r *CommitRequest) []byte {
	b = appendString(beginFrame(b, frameCommit), 1, chain)
	b = appendUintIf(b, 2, uint64(r.Level))
	b = appendTrueIf(b, 4, r.Carry)
	if r.ExpectedHeight != nil {
		b = appendUint(b, 5, *r.ExpectedHeight)
	}
	for i := range r.Blocks {
		b = appendBlock(b, &r.Blocks[i])
	}
	for i := range r.States {
		s := &r.States[i]
		b = appendLength(b, 7, uintFieldBytes(s.Height)+bytesFieldBytes(len(s.Value)))
		b = appendUint(b, 1, s.Height)
		b = appendBytes(b, 2, s.Value)
	}
	b = appendPacked(b, 8, r.DeleteStates)
	b = appendUintIf(b, 9, r.RiseTo)
	b = appendOperations(b, 10, r.Metadata)
	b = appendPacked(b, 11, r.DeleteBlocks)
	endFrame(b)
	return b
}

// bytes is about how much the request takes in a frame: never more than that by more than a few bytes a part.
func (r *CommitRequest) bytes() int {
	n := operationsBytes(r.Metadata)
	for i := range r.Blocks {
		block := &r.Blocks[i]
		n += len(block.Header) + len(block.Data) + len(block.Signature) + len(block.Hash)
	}
	for i := range r.States {
		n += len(r.States[i].Value)
	}
	return n
}

func operationsBytes(operations []Operation) int {
	n := 0
	for i := range operations {
		n += len(operations[i].name) + len(operations[i].value) + len(operations[i].to)
	}
	return n
}

func encodePrune(b []byte, chain string, r *PruneRequest) []byte {
	b = appendString(beginFrame(b, framePrune), 1, chain)
	b = appendUintIf(b, 2, uint64(r.Level))
	b = appendUintIf(b, 4, r.BlocksThrough)
	if r.StatesThrough != nil {
		b = appendUint(b, 5, *r.StatesThrough)
	}
	b = appendOperations(b, 6, r.Metadata)
	b = appendTrueIf(b, 7, r.DryRun)
	endFrame(b)
	return b
}

func encodeRollback(b []byte, chain string, r *RollbackRequest) []byte {
	b = appendString(beginFrame(b, frameRollback), 1, chain)
	b = appendUintIf(b, 2, uint64(r.Level))
	b = appendUint(b, 4, r.To)
	for i := range r.Guards {
		g := &r.Guards[i]
		n := bytesFieldBytes(len(g.Name))
		if g.Lower {
			n += 2
		}
		if g.PassMalformed {
			n += 2
		}
		b = appendLength(b, 5, n)
		b = appendString(b, 1, g.Name)
		b = appendTrueIf(b, 2, g.Lower)
		b = appendTrueIf(b, 3, g.PassMalformed)
	}
	b = appendOperations(b, 6, r.Metadata)
	b = appendTrueIf(b, 7, r.DryRun)
	endFrame(b)
	return b
}

// numberField is the field of a number in each of the requests that may carry one.
func numberField(kind frameType) int {
	if kind == frameCommit {
		return 12
	}
	return 8
}

// deadlineField is the field of a deadline in each of the requests that may carry one; 0: it may not.
func deadlineField(kind frameType) int {
	switch kind {
	case frameWriteMetadata, frameCommit, framePrune, frameRollback:
		return 3
	case frameClaim, frameRelease:
		return 2
	}
	return 0
}

// setNumber gives a frame whose length without a number is given a number, in place of the one it may have had.
func setNumber(frame []byte, kind frameType, length int, number uint64) []byte {
	frame = appendUint(frame[:length], numberField(kind), number)
	endFrame(frame)
	return frame
}

func encodeBarrier(b []byte, level Level) []byte {
	b = appendUintIf(beginFrame(b, frameBarrier), 1, uint64(level))
	endFrame(b)
	return b
}

func encodeClaim(b []byte, chain, writer string, takeOver bool) []byte {
	b = appendString(beginFrame(b, frameClaim), 1, chain)
	b = appendString(b, 3, writer)
	b = appendTrueIf(b, 4, takeOver)
	endFrame(b)
	return b
}

func encodePresent(b []byte, chain string, epoch Epoch, forNumbers bool) []byte {
	b = appendString(beginFrame(b, framePresent), 1, chain)
	b = appendLength(b, 3, uintFieldBytes(epoch.Sequence)+9)
	b = appendUint(b, 1, epoch.Sequence)
	b = appendFixed64(b, 2, epoch.random)
	b = appendTrueIf(b, 4, forNumbers)
	endFrame(b)
	return b
}
