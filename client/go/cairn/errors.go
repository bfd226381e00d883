package cairn

import (
	"errors"
	"fmt"
)

// Status tells how a request ended, in the protocol's numbers.
type Status uint8

// The statuses of the protocol.
const (
	StatusOK           Status = 0
	StatusNotFound     Status = 1
	StatusInvalid      Status = 2  // not applied
	StatusTooLarge     Status = 3  // not applied
	StatusConflict     Status = 4  // not applied; Reason says why
	StatusBusy         Status = 5  // not applied
	StatusNoSpace      Status = 6  // not applied
	StatusShuttingDown Status = 7  // not applied
	StatusPermission   Status = 8  // not applied
	StatusUnsupported  Status = 9  // not applied
	StatusReadOnly     Status = 10 // not applied
	StatusIOError      Status = 11 // of a write: may or may not be applied
	StatusDamaged      Status = 12 // not applied, but see [Chain.Raise]
)

// Reason tells why a write is a conflict.
type Reason uint8

// The reasons of conflicts. A daemon may know more of them.
const (
	ReasonNone       Reason = 0 // none was given
	ReasonHeight     Reason = 1 // the chain's height is not the expected one, or the target is above it
	ReasonPruned     Reason = 2 // what the write needs or sets is pruned
	ReasonGuard      Reason = 3 // a guard refuses the rollback
	ReasonNoState    Reason = 4 // the rollback's target has no state
	ReasonClaimed    Reason = 5 // the chain is claimed, and the write is not under its last epoch
	ReasonNumber     Reason = 6 // the number is not the next one
	ReasonRolledBack Reason = 7 // sent again, and the chain was rolled back since
	ReasonDropped    Reason = 8 // the chain is being dropped, or was dropped or made since
)

// Sentinels for [errors.Is]. Those of a status and a reason match an [*Error] that has it.
var (
	ErrNotFound     = errors.New("cairn: not found")
	ErrInvalid      = errors.New("cairn: invalid")
	ErrTooLarge     = errors.New("cairn: too large")
	ErrConflict     = errors.New("cairn: conflict")
	ErrBusy         = errors.New("cairn: busy")
	ErrNoSpace      = errors.New("cairn: no space")
	ErrShuttingDown = errors.New("cairn: shutting down")
	ErrPermission   = errors.New("cairn: permission")
	ErrUnsupported  = errors.New("cairn: unsupported")
	ErrReadOnly     = errors.New("cairn: read only")
	ErrIO           = errors.New("cairn: i/o error")
	ErrDamaged      = errors.New("cairn: damaged")

	ErrHeight     = errors.New("cairn: another height")
	ErrPruned     = errors.New("cairn: pruned")
	ErrGuard      = errors.New("cairn: refused by a guard")
	ErrNoState    = errors.New("cairn: no state")
	ErrClaimed    = errors.New("cairn: claimed")
	ErrNumber     = errors.New("cairn: not the next number")
	ErrRolledBack = errors.New("cairn: rolled back since")
	ErrDropped    = errors.New("cairn: dropped")

	// ErrUnknown matches every error of a write that may or may not be applied. Find out by reading.
	ErrUnknown = errors.New("cairn: may or may not be applied")
	// ErrClosed is the error of calls on a client that was closed. Nothing of the call was applied, unless the error is ErrUnknown, too.
	ErrClosed = errors.New("cairn: client is closed")
	// ErrStoreChanged is the error of all calls once the socket serves another store, such as a copy that was put back.
	// Nothing is sent to it. Close the client, and open another when somebody decided which store is right.
	ErrStoreChanged = errors.New("cairn: the socket serves another store")
)

var statusErrors = [...]error{
	StatusNotFound:     ErrNotFound,
	StatusInvalid:      ErrInvalid,
	StatusTooLarge:     ErrTooLarge,
	StatusConflict:     ErrConflict,
	StatusBusy:         ErrBusy,
	StatusNoSpace:      ErrNoSpace,
	StatusShuttingDown: ErrShuttingDown,
	StatusPermission:   ErrPermission,
	StatusUnsupported:  ErrUnsupported,
	StatusReadOnly:     ErrReadOnly,
	StatusIOError:      ErrIO,
	StatusDamaged:      ErrDamaged,
}

var reasonErrors = [...]error{
	ReasonHeight:     ErrHeight,
	ReasonPruned:     ErrPruned,
	ReasonGuard:      ErrGuard,
	ReasonNoState:    ErrNoState,
	ReasonClaimed:    ErrClaimed,
	ReasonNumber:     ErrNumber,
	ReasonRolledBack: ErrRolledBack,
	ReasonDropped:    ErrDropped,
}

// Error is what the daemon, or the client before it sent anything, says of a request that failed. It matches, by
// [errors.Is], the sentinel of its status, that of its reason, and [ErrUnknown] if Unknown is set.
type Error struct {
	Op         string // the call: "commit", "get metadata"
	Status     Status
	Reason     Reason // of a conflict
	Unknown    bool   // a write that may or may not be applied
	Text       string // for people: what, which limit or value, what to do
	LastNumber uint64 // of a claim that was lost: the last number applied under it

	hasLastNumber bool
	cause         error // why a write is not waited for: ErrClosed, ErrStoreChanged, or the context's error
}

// Error says what was called and what was wrong with it.
func (e *Error) Error() string {
	text := e.Text
	if text == "" && e.Status == StatusNotFound {
		return ErrNotFound.Error() + ": " + e.Op
	}
	if text == "" {
		text = "no further text"
	}
	kind := ErrUnknown.Error()
	if e.Status != StatusOK && int(e.Status) < len(statusErrors) {
		kind = statusErrors[e.Status].Error()
	} else if e.Status != StatusOK {
		kind = fmt.Sprintf("cairn: status %d", e.Status)
	}
	if e.Unknown && kind != ErrUnknown.Error() {
		return fmt.Sprintf("%s: %s: %s (may or may not be applied)", kind, e.Op, text)
	}
	return fmt.Sprintf("%s: %s: %s", kind, e.Op, text)
}

// notFound has the errors of reads that find nothing, made once: absence is common, and must not cost memory.
var notFound = map[frameType]*Error{
	frameReadBlock:   {Op: frameNames[frameReadBlock], Status: StatusNotFound},
	frameReadState:   {Op: frameNames[frameReadState], Status: StatusNotFound},
	frameGetMetadata: {Op: frameNames[frameGetMetadata], Status: StatusNotFound},
}

// Is makes an Error match the sentinels of its status and reason, and [ErrUnknown].
func (e *Error) Is(target error) bool {
	switch {
	case target == nil:
		return false
	case target == ErrUnknown:
		return e.Unknown
	case e.cause != nil && errors.Is(e.cause, target):
		return true
	case int(e.Status) < len(statusErrors) && target == statusErrors[e.Status]:
		return true
	case e.Status == StatusConflict && int(e.Reason) < len(reasonErrors):
		return target == reasonErrors[e.Reason]
	}
	return false
}
