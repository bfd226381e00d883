package migrate

import (
	"errors"
	"fmt"
)

// The kinds of failures, for the caller's exit code. Each error of this package is one of them, a failure of the client, or
// one of the system.
var (
	// ErrSource: the directory cannot be imported as it is. Nothing was changed in it.
	ErrSource = errors.New("source")
	// ErrTarget: the chain, or the directory to export to, is not one that may be written.
	ErrTarget = errors.New("target")
	// ErrDiffers: what a verification compared is not equal.
	ErrDiffers = errors.New("differs")
)

// kindError is an error of a kind, whose text is only its own.
type kindError struct {
	error
	kind error
}

func (e kindError) Unwrap() []error { return []error{e.error, e.kind} }

func faultf(format string, args ...any) error {
	return kindError{fmt.Errorf(format, args...), ErrSource}
}

func targetf(format string, args ...any) error {
	return kindError{fmt.Errorf(format, args...), ErrTarget}
}

func differsf(format string, args ...any) error {
	return kindError{fmt.Errorf(format, args...), ErrDiffers}
}
