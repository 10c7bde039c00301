// Package definition reads, checks and writes hodei.yaml.
//
// # Owns
//
// The grammar of the file. Parse turns YAML or JSON into a hodei.Definition and
// reports every problem with its field, line and column. Check finds the problems
// that concern more than one field, in a definition from any source. YAML and JSON
// write a definition so that Parse returns the same one. Compare lists what differs
// between two definitions.
//
// # How
//
// A document becomes a tree of nodes with positions: aliases and merge keys are
// followed, within bounds. The defaults are merged into each job of the tree. The tree
// is then decoded by reflection into the types of hodei: the tag file holds the name
// and the unit of a field in the file where they differ from JSON, and the tag
// jsonschema its bounds, so that the published schemas and the parser cannot disagree.
// The reflection takes a millisecond for a hundred jobs.
//
// # When things fail
//
// Parse returns as much of the definition as it could read, for Check to go on with.
// Input is bounded: bytes, depth and the number of values after aliases.
//
// # Not here
//
// No clock, no I/O. Running a definition is services/orchestrator/run.
package definition
