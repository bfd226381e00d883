// Package migrate copies a node's Badger directory into a chain of cairn and back, and compares the two.
//
//   - [OpenSource] opens a directory, and [TakeSurvey] looks at its keys: what there is, and whether it may be imported.
//   - [Importer] copies it into a chain, [Exporter] a chain into a directory; [Verifier], which both end with, compares.
//   - Native: what an ev-node keeps becomes the blocks, states and bound names of a chain. Generic: each key becomes a name.
package migrate
