// Package hook interprets the events that other systems send: the signature that an event must
// have, its content, and whether a hook starts a run for it. The package is pure: its functions
// depend only on their arguments.
//
// The content of an event is used only after its signature is verified, by the service that
// owns the secrets. A field that a stranger can choose, such as the branch of a fork, never
// becomes the branch of the run. The ref of a pull request is refs/pull/N/head, so a condition
// such as run.branch: main does not hold for it.
package hook
